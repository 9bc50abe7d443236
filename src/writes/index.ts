// The writes as the rest of src imports them. `src/index.ts` and `src/server.ts` list what apps may import.
export * from './adapter.ts'
export * from './batch.ts'
export * from './errors.ts'
export * from './http-adapter.ts'
export * from './result.ts'
export * from './with-retries.ts'
