import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Principal } from '../../../src/schema/index.ts'
import {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from '../../../src/server/store/index.ts'
import type { MutationInput, WriteResult } from '../../../src/writes/index.ts'
import { migratedDatabase } from '../../support/database.ts'
import { openDatabase, type StoreDriver } from './store-drivers.ts'
import { createTestPool } from './test-pool.ts'

/** Two users of one tenant, and a user of another tenant with the id of the first. */
export const ada: Principal = { tenantId: 'acme', userId: 'ada' }
export const bob: Principal = { tenantId: 'acme', userId: 'bob' }
export const stranger: Principal = { tenantId: 'rival', userId: 'ada' }

export interface StoreFixture {
  readonly url: string
  /** A separate pool for reading the database. */
  readonly pool: Pool
  readonly store: SessionStore
  /** Writes a batch under a new id. */
  write(principal: Principal, ...mutations: MutationInput[]): Promise<WriteResult>
  rows<Row extends object = Record<string, unknown>>(
    sql: string,
    values?: unknown[],
  ): Promise<Row[]>
  /** Resolves when a statement in this database waits for a lock. */
  untilBlocked(): Promise<void>
  close(): Promise<void>
}

const BLOCKED = `
  SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`

/** Creates a migrated database with a store, without limits of requests unless they are given. */
export async function startStore(
  options: Omit<SessionStoreOptions, 'database'> & { readonly driver?: StoreDriver } = {},
): Promise<StoreFixture> {
  const { driver = 'connection string', ...more } = options
  const database = await migratedDatabase()
  const pool = createTestPool(database.url)
  const opened = openDatabase(driver, database.url)
  const store = createSessionStore({
    database: opened.database,
    requestLimits: false,
    ...more,
  })
  return {
    url: database.url,
    pool,
    store,
    write: (principal, ...mutations) => store.write(principal, { id: randomUUID(), mutations }),
    rows: async (sql, values) => (await pool.query(sql, values)).rows,
    untilBlocked: async () => {
      while ((await pool.query(BLOCKED)).rows.length === 0);
    },
    close: async () => {
      await store.close()
      await opened.close()
      await pool.end()
      await database.drop()
    },
  }
}

export function insertSession(id: string, more: object = {}): MutationInput {
  return { collection: 'sessions', type: 'insert', value: { id, title: `Session ${id}`, ...more } }
}

export function insertEvent(sessionId: string, seq: number, more: object = {}): MutationInput {
  const value = { id: `${sessionId}-${seq}`, sessionId, seq, kind: 'message' as const, ...more }
  return { collection: 'timelineEvents', type: 'insert', value }
}

export function insertThread(sessionId: string, id: string, more: object = {}): MutationInput {
  const value = { id, sessionId, mode: 'session' as const, title: `Thread ${id}`, ...more }
  return { collection: 'chatThreads', type: 'insert', value }
}

export function insertMessage(threadId: string, id: string, more: object = {}): MutationInput {
  const value = { id, threadId, role: 'user' as const, content: `Message ${id}`, ...more }
  return { collection: 'chatMessages', type: 'insert', value }
}

/** Returns the code, message and details of a refused write. Fails when it is applied. */
export async function refusalOf(
  write: Promise<unknown>,
): Promise<{ code: string; message: string; details: unknown }> {
  try {
    await write
  } catch (error) {
    const { code, message, details } = error as { code: string; message: string; details: unknown }
    return { code, message, details }
  }
  throw new Error('Expected the write to be refused, but it was applied')
}
