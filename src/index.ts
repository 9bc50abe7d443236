export type * from './chat/index.ts'
export * from './schema/index.ts'
export * from './shapes/index.ts'
export * from './writes/index.ts'

// File by file: some bundlers load all that a list of names comes from as soon as one is used.

export * from './collections/create-id.ts'
export * from './collections/create-session-collections.ts'
export type * from './collections/index.ts'
export * from './collections/outbox/create-outbox.ts'
export * from './collections/windows/timeline-query.ts'
