import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'

/** The real snapshots, oldest first. */
export const snapshots = [
  '3cc7c26',
  'ea1025b',
  '373e623',
  '10db7d7',
  'c8ad375',
  '1cb2c27',
  '8edad58',
  '7f9df6a',
] as const

export function snapshotDir(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/legacy-data/${name}`, import.meta.url))
}

/** The fields of a real record that tests use. */
export type FileRecord = {
  id: string
  sessionId: string
  threadId: string
  mode: string
  title: string
  status: string
  role: string
  content: string
  clientMessageId?: string
  createdAt: string
  updatedAt: string
}

/** Reads a file of a snapshot without the importer. */
export async function readJson(directory: string, name: string): Promise<FileRecord[]> {
  return JSON.parse(await readFile(join(directory, name), 'utf8'))
}

/** A migrated database for the tests of one file. */
export function useDatabase(): {
  readonly pool: Pool
  readonly url: string
  everyRow(): Promise<unknown[]>
} {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await migratedDatabase()
    pool = new Pool({ connectionString: database.url })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })
  return {
    get url() {
      return database.url
    },
    get pool() {
      return pool
    },
    /** The physical version of every row: differs after any write. */
    async everyRow() {
      const parts = ['sessions', 'chat_threads', 'chat_messages', 'timeline_events'].map(
        (table) => `SELECT '${table}' AS what, tenant_id, id, ctid::text, xmin::text FROM ${table}`,
      )
      const { rows } = await pool.query(`${parts.join(' UNION ALL ')} ORDER BY 1, 2, 3`)
      return rows
    },
  }
}

/** Writes files into a new directory, removed after the test. Strings and bytes are written unchanged. */
export function useDirectories(): (files: Record<string, unknown>) => Promise<string> {
  const directories: string[] = []
  afterEach(async () => {
    await Promise.all(directories.splice(0).map((path) => rm(path, { recursive: true })))
  })
  return async (files) => {
    const directory = await mkdtemp(join(tmpdir(), 'session-db-legacy-'))
    directories.push(directory)
    for (const [name, content] of Object.entries(files)) {
      const isRaw = typeof content === 'string' || content instanceof Uint8Array
      await writeFile(join(directory, name), isRaw ? content : JSON.stringify(content))
    }
    return directory
  }
}
