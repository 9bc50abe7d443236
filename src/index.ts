export * from './schema/index.ts'
export * from './shapes/index.ts'
export * from './writes/index.ts'
