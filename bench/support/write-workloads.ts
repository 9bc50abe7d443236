import { type Client, Pool } from 'pg'
import { migrate } from '../../src/server/migrations/migrate.ts'
import { createSessionStore, type SessionStore } from '../../src/server/store/index.ts'

const principal = { tenantId: 'tenant-1', userId: 'user-1' }
const content = 'A message of some three hundred characters. '.repeat(7)
const parts = [{ type: 'text', text: content }]

const otherThreads = 2_000
const otherMessages = 10

/** Ways to append one message to a thread. */
export interface WriteWorkloads {
  /** Our store: validated, authorised, idempotent, counted. */
  readonly ours: AppendMessage
  /** The pattern written by hand: BEGIN, txid, access, INSERT RETURNING, UPDATE of the thread, COMMIT. */
  readonly byHand: AppendMessage
  /** One prepared INSERT of the same row, without check, counter or idempotency. */
  readonly bareInsert: AppendMessage
  close(): Promise<void>
}

/** Appends one message to the thread of this number. */
export type AppendMessage = (thread: number) => Promise<unknown>

/**
 * Creates the library's tables, and for the references the same tables without triggers in a schema
 * `plain`. Each has one session, this many threads to write to, and other rows: Postgres plans
 * differently for tables of a few rows.
 */
export async function createWriteTables(
  databaseUrl: string,
  database: Client,
  threads: number,
): Promise<void> {
  await migrate({ database: databaseUrl })
  await database.query(`
    INSERT INTO sessions (tenant_id, id, owner_id, title)
    VALUES ('tenant-1', 'session-1', 'user-1', 'A session');
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title, status)
    SELECT 'tenant-1', 'thread-' || n, 'session-1', 'user-1', 'session', 'A thread', 'archived'
    FROM generate_series(0, ${threads - 1}) AS n;
    INSERT INTO sessions (tenant_id, id, owner_id, title)
    SELECT 'tenant-1', 'other-' || n, 'user-' || n % 50, 'Another session'
    FROM generate_series(1, ${otherThreads}) AS n;
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title, status)
    SELECT 'tenant-1', 'other-' || n, 'other-' || n, 'user-1', 'session', 'A thread', 'archived'
    FROM generate_series(1, ${otherThreads}) AS n;
    INSERT INTO chat_messages (tenant_id, id, session_id, thread_id, author_id, role, content, position)
    SELECT 'tenant-1', 'other-' || n || '-' || m, 'other-' || n, 'other-' || n, 'user-1', 'user', 'x', m
    FROM generate_series(1, ${otherThreads}) AS n, generate_series(1, ${otherMessages}) AS m;

    CREATE SCHEMA plain;
    CREATE TABLE plain.sessions (LIKE sessions INCLUDING ALL);
    CREATE TABLE plain.chat_threads (LIKE chat_threads INCLUDING ALL,
      FOREIGN KEY (tenant_id, session_id) REFERENCES plain.sessions (tenant_id, id))
      WITH (fillfactor = 70);
    CREATE TABLE plain.chat_messages (LIKE chat_messages INCLUDING ALL,
      FOREIGN KEY (tenant_id, session_id, thread_id)
        REFERENCES plain.chat_threads (tenant_id, session_id, id));
    ALTER TABLE plain.chat_threads REPLICA IDENTITY FULL;
    ALTER TABLE plain.chat_messages REPLICA IDENTITY FULL;
    INSERT INTO plain.sessions SELECT * FROM sessions;
    INSERT INTO plain.chat_threads SELECT * FROM chat_threads;
    INSERT INTO plain.chat_messages SELECT * FROM chat_messages`)
  await database.query('VACUUM ANALYZE')
}

let messages = 0

/** Opens the workloads, each with its own pool of `connections`. */
export function openWriteWorkloads(databaseUrl: string, connections: number): WriteWorkloads {
  const pool = (more: object = {}) => {
    // All with a time limit, so that the store need not set one with each statement.
    const size = { max: connections, min: connections, statement_timeout: 60_000 }
    const made = new Pool({ connectionString: databaseUrl, ...size, ...more })
    // Connections that the stopping server closes are no failure of the benchmark.
    made.on('error', () => {})
    return made
  }
  const pools = { ours: pool({ pipeline: true }), byHand: pool(), bare: pool() }
  const store = createSessionStore({ database: pools.ours })
  return {
    ours: (thread) => append(store, thread),
    byHand: (thread) => appendByHand(pools.byHand, thread),
    bareInsert: (thread) => insertBare(pools.bare, thread),
    async close() {
      await Promise.all(Object.values(pools).map((each) => each.end()))
    },
  }
}

function append(store: SessionStore, thread: number): Promise<unknown> {
  messages += 1
  const value = {
    id: `message-${messages}`,
    threadId: `thread-${thread}`,
    role: 'user',
    content,
    parts,
  }
  return store.write(principal, {
    id: `batch-${messages}`,
    mutations: [{ collection: 'chatMessages', type: 'insert', value }],
  })
}

async function appendByHand(pool: Pool, thread: number): Promise<void> {
  const client = await pool.connect()
  const threadId = `thread-${thread}`
  try {
    await client.query('BEGIN')
    await client.query('SELECT pg_current_xact_id()::xid::text AS txid')
    const { rows } = await client.query<{ session_id: string; last_position: string }>(
      `SELECT t.session_id, t.last_position FROM plain.chat_threads t
       JOIN plain.sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
       WHERE t.tenant_id = $1 AND t.id = $2 AND (s.owner_id = $3 OR s.visibility = 'tenant')
       FOR NO KEY UPDATE OF t FOR SHARE OF s`,
      [principal.tenantId, threadId, principal.userId],
    )
    const found = rows[0]
    if (found === undefined) throw new Error(`There is no ${threadId}`)
    await client.query(`${INSERT} RETURNING *`, [
      ...valuesOf(threadId, found.session_id),
      Number(found.last_position) + 1,
    ])
    await client.query(
      `UPDATE plain.chat_threads SET message_count = message_count + 1,
         last_position = last_position + 1, last_message_at = now(), last_message_preview = $3,
         version = version + 1, updated_at = now()
       WHERE tenant_id = $1 AND id = $2`,
      [principal.tenantId, threadId, content.slice(0, 280)],
    )
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}

function insertBare(pool: Pool, thread: number): Promise<unknown> {
  // Positions far from those of the hand-written pattern.
  const values = [...valuesOf(`thread-${thread}`, 'session-1'), 1_000_000_000 + messages]
  return pool.query({ name: 'bare-insert', text: INSERT, values })
}

const INSERT = `
  INSERT INTO plain.chat_messages
    (tenant_id, id, thread_id, session_id, author_id, role, content, parts, position)
  VALUES ($1, $2, $3, $4, $5, 'user', $6, $7, $8)`

/** A row with a unique id, because several are written in parallel. */
function valuesOf(threadId: string, sessionId: string): unknown[] {
  messages += 1
  const { tenantId, userId } = principal
  const id = `message-${messages}`
  return [tenantId, id, threadId, sessionId, userId, content, JSON.stringify(parts)]
}
