import { replicatedTables as replicated } from '../schema/index.ts'

/** Tables that browsers replicate, and Electric therefore reads. */
export const replicatedTables: readonly string[] = Object.values(replicated).map(({ name }) => name)

/** Tables that only the app's own server reads and writes. */
export const serverTables: readonly string[] = [
  'applied_batches',
  'session_contents',
  'session_content_chunks',
  'session_content_garbage',
  'session_uploads',
]

/** What has been applied to the database; the app reads it, only migrations write it. */
export const migrationsTable = 'session_db_migrations'
