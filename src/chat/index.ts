export type { AssistantMessage } from './assistant-message.ts'
export type { MessageStream, MessageStreamOptions } from './message-stream.ts'
export type { UIMessageChunks } from './pipe-ui-message-stream.ts'
export type { UIMessageChunkLike } from './ui-message-chunks.ts'
