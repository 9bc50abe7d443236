export * from './collections/index.ts'
export * from './schema/index.ts'
export * from './shapes/index.ts'
export * from './writes/index.ts'
