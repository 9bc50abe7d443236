// What only some use is made in functions that are marked pure: bundles of others leave it away, as
// they may not with a bare call.
export * from './chat-message.ts'
export * from './chat-message-delta.ts'
export * from './chat-thread.ts'
export * from './columns.ts'
export type { JsonObject, JsonValue } from './fields.ts'
export * from './limits.ts'
export type { Principal } from './principal.ts'
export * from './session.ts'
export * from './streamed-message.ts'
export * from './tables.ts'
export * from './timeline-event.ts'
export { type TimelineFilter, timelineFilterSchema } from './timeline-filter.ts'
