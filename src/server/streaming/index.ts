export {
  type AbandonedMessage,
  type AbandonedMessagesOptions,
  type AbandonedMessagesWatch,
  markAbandonedMessages,
  watchAbandonedMessages,
} from './abandoned-messages.ts'
export { type ChatHandlerOptions, type ChatQuestion, createChatHandler } from './chat-handler.ts'
export { inlineAttachments } from './inline-attachments.ts'
export {
  resumeMessage,
  type StoredStreamOptions,
  type StreamedMessage,
  streamMessage,
} from './stream-message.ts'
