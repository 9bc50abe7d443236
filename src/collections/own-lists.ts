// One file of the package: each file more that shares code with `createSessionCollections` splits it further.
export { type ChatList, chatList, unreadCount } from './chat-list.ts'
export { type FeedbackList, messageFeedback } from './message-feedback.ts'
