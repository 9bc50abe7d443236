export {
  type AssistantHistory,
  type AssistantHistoryItem,
  type AssistantHistoryStorage,
  type AssistantMessageFormat,
  type AssistantThreadItem,
  createThreadHistoryAdapter,
  type SessionThreadHistory,
  type ThreadHistoryOptions,
} from './thread-history.ts'
export {
  type AssistantThreadMetadata,
  type AssistantTitleChunk,
  createThreadListAdapter,
  type SessionThreadList,
  type ThreadListOptions,
} from './thread-list.ts'
