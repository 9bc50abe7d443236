// The schema as the rest of src imports it. `src/index.ts` and `src/server.ts` list what apps may import.
//
// Schemas that only the server or tests use are built in functions marked as pure, so that bundlers can drop
// them from a browser's bundle.
export * from './chat-message.ts'
export * from './chat-thread.ts'
export * from './columns.ts'
export * from './fields.ts'
export * from './message-feedback.ts'
export type { Principal } from './principal.ts'
export * from './session.ts'
export * from './session-grant.ts'
export * from './streamed-message.ts'
export * from './tables.ts'
export * from './thread-state.ts'
export * from './timeline-event.ts'
