export {
  type AbandonedMessage,
  type AbandonedMessagesOptions,
  type AbandonedMessagesWatch,
  markAbandonedMessages,
  watchAbandonedMessages,
} from './abandoned-messages.ts'
export { resumeMessage, type StreamedMessage, streamMessage } from './stream-message.ts'
