import type { Client } from 'pg'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { createDomain, sessionMessagesQuery } from './support/domain-data.ts'
import { createHttpClient } from './support/http-get.ts'
import { idleClients, memoryPerClient } from './support/proxy-memory.ts'
import { behindOurs } from './support/proxy-sides.ts'
import { startServerProcess } from './support/server-process.ts'
import { readWholeShape } from './support/shape-reader.ts'

const MESSAGES = 5_000
const SESSIONS = 2_000
const EVENTS = 5_000
const TEXT_BYTES = 500

/**
 * Costs of a session, an event, a message and a viewer: bytes of Postgres, bytes of a shape's log, and memory of the
 * proxy. Texts have 500 random bytes, so that compression doesn't flatter them.
 */
export const benchmark: Benchmark = { name: 'capacity', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    const database = await postgres.connect()
    await createDomain(postgres.url, database)
    context.note('rows')
    const rows = await measureRows(database)
    // The shape that the proxy's clients wait on.
    await database.query('CREATE TABLE small (id bigint PRIMARY KEY, body text NOT NULL)')
    const argument = { database: postgres.url, longPollMs: 600_000 }
    const engine = await startServerProcess({ program: 'shape-server', argument })
    const http = createHttpClient()
    try {
      context.note('a shape’s log')
      let logBytes = 0
      await readWholeShape(http, engine.url, sessionMessagesQuery(), (body) => {
        logBytes += body.length
      })
      context.note(`${idleClients} viewers`)
      const viewer = await memoryPerClient('shape-proxy', 'one', engine.url, behindOurs)
      return [
        ...rows,
        bytes('a message in a shape’s log', logBytes / MESSAGES, TEXT_BYTES),
        compare({
          name: 'a viewer in the proxy',
          unit: 'kB',
          ours: [viewer],
          reference: [20],
          referenceName: 'what it may be',
        }),
      ]
    } finally {
      http.close()
      await engine.stop()
    }
  })
}

async function measureRows(database: Client): Promise<Comparison[]> {
  await database.query(`
    CREATE FUNCTION pg_temp.random_text(n integer) RETURNS text LANGUAGE sql AS $$
      SELECT left(string_agg(md5(n || '-' || i), ' '), ${TEXT_BYTES}) FROM generate_series(1, 16) AS i
    $$`)
  const session = await growth(
    database,
    SESSIONS,
    `
    INSERT INTO sessions (tenant_id, id, owner_id, title, visibility)
    SELECT 'tenant-1', 'many-' || n, 'user-' || n % 100, 'Session ' || n, 'tenant'
    FROM generate_series(1, ${SESSIONS}) n`,
  )
  const event = await growth(
    database,
    EVENTS,
    `
    INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, role, text)
    SELECT 'tenant-1', 'event-' || n, 'session-1', n, 'message', 'assistant', pg_temp.random_text(n)
    FROM generate_series(1, ${EVENTS}) n`,
  )
  const message = await growth(
    database,
    MESSAGES,
    `
    INSERT INTO chat_messages
      (tenant_id, id, thread_id, session_id, author_id, role, content, position)
    SELECT 'tenant-1', 'message-' || n, 'thread-1', 'session-1', 'user-1', 'user', pg_temp.random_text(n), n
    FROM generate_series(1, ${MESSAGES}) n`,
  )
  return [
    bytes('a session in Postgres', session.stored, 'Session 1000'.length),
    bytes('an event of 500 bytes in Postgres', event.stored, TEXT_BYTES),
    bytes('a message of 500 bytes in Postgres', message.stored, TEXT_BYTES),
    bytes('WAL of a message', message.wal, TEXT_BYTES),
  ]
}

/** Returns the bytes per row that a statement adds to tables with their indexes, and to the WAL. */
async function growth(
  database: Client,
  rows: number,
  sql: string,
): Promise<{ stored: number; wal: number }> {
  const read = async () => {
    // Dead rows of counters would be reused in production.
    await database.query('VACUUM')
    const { rows } = await database.query<{ stored: string; wal: string }>(
      `SELECT sum(pg_total_relation_size(oid)) AS stored, pg_current_wal_lsn() - '0/0' AS wal
       FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    )
    return rows[0] as { stored: string; wal: string }
  }
  const before = await read()
  await database.query(sql)
  const wal = await database.query<{ wal: string }>("SELECT pg_current_wal_lsn() - '0/0' AS wal")
  const after = await read()
  return {
    stored: (Number(after.stored) - Number(before.stored)) / rows,
    wal: (Number(wal.rows[0]?.wal) - Number(before.wal)) / rows,
  }
}

function bytes(name: string, ours: number, reference: number): Comparison {
  return compare({
    name,
    unit: 'bytes',
    ours: [ours],
    reference: [reference],
    referenceName: 'its text',
  })
}
