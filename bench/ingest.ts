import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Client, Pool } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { migrate } from '../src/server/index.ts'
import { contentRef } from '../src/server/uploads/content/content-store.ts'
import {
  type ContentStores,
  createContentStores,
} from '../src/server/uploads/content/postgres-content-store.ts'
import { deriveSession } from '../src/server/uploads/derivation/derive-session.ts'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  timed,
} from './harness.ts'
import { agentLog } from './support/agent-log.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { measureIngestMemory } from './support/ingest-memory.ts'

const EVENTS = 100_000
/** Inserting row by row is slow: only some rows are inserted, and times per row compared. */
const SINGLE_ROWS = 5_000
/** 500 MB: a quarter of the lines are tool output. */
const LONG_LOG_LINES = 32_000
const LONG_LOG_OUTPUT = 63_000
const MEMORY_GOAL_MB = 150
const COLUMNS = `tenant_id, id, session_id, seq, kind, role, occurred_at, title, text, tool_name,
  call_id, parent_id, data`

/**
 * Measures deriving a log of 100,000 events from stored content to a ready session, against a COPY of
 * the same rows into the same table with the same indexes and against an INSERT per row; and the memory
 * of uploading and deriving a log of 500 MB. Commits are flushed to disk, as in production.
 */
export const benchmark: Benchmark = { name: 'ingest', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(
    async (postgres) => {
      await migrate({ database: postgres.url })
      const client = await postgres.connect()
      const pool = new Pool({ connectionString: postgres.url, max: 2 })
      const contents = createContentStores(pool)
      try {
        const speed = await measureSpeed(context, client, contents)
        return [...speed, await measureMemory(context, postgres.url)]
      } finally {
        await pool.end()
      }
    },
    { fsync: 'on' },
  )
}

async function measureSpeed(
  context: BenchContext,
  client: Client,
  contents: ContentStores,
): Promise<Comparison[]> {
  const log = Buffer.concat([...agentLog({ lines: EVENTS })])
  context.note(`a log of ${EVENTS} events, ${(log.length / 1e6).toFixed(0)} MB`)
  const key = { tenantId: 'acme', sha256: createHash('sha256').update(log).digest('hex') }
  const newSession = async () => {
    // Not DELETE: dead rows would make each round slower than the one before.
    await client.query('TRUNCATE sessions, session_contents CASCADE')
    await contents.current.put(key, { bytes: log.length, read: () => Readable.from([log]) })
    await client.query(
      `INSERT INTO sessions (tenant_id, id, owner_id, title, content_ref, content_bytes)
       VALUES ('acme', 's1', 'ada', 'Long', $1, $2)`,
      [contentRef(contents.current, key), log.length],
    )
  }
  await newSession()
  await inTransaction(client, () => ingest(client, contents))
  const { rows } = await client.query('SELECT count(*)::int AS events FROM timeline_events')
  if (rows[0].events !== EVENTS) throw new Error(`${rows[0].events} events, not ${EVENTS}`)
  const copied = await copyRows(client)
  const { rows: singles } = await client.query<unknown[]>({
    text: `SELECT ${COLUMNS} FROM timeline_events ORDER BY seq LIMIT ${SINGLE_ROWS}`,
    rowMode: 'array',
  })
  /** Measures microseconds per row, into a session without events. */
  const perRow = (rowCount: number, store: () => Promise<unknown>) => async () => {
    await newSession()
    await client.query('CHECKPOINT')
    return ((await timed(store)) * 1_000) / rowCount
  }
  const samples = await interleave(context.rounds, {
    ours: perRow(EVENTS, () => inTransaction(client, () => ingest(client, contents))),
    copy: perRow(EVENTS, () => inTransaction(client, () => copyInto(client, copied))),
    rowByRow: perRow(SINGLE_ROWS, () => insertEach(client, singles)),
    together: perRow(SINGLE_ROWS, () => inTransaction(client, () => insertEach(client, singles))),
  })
  const unit = 'µs/row'
  return [
    compare({
      name: 'parse, derive, persist, to COPY',
      unit,
      ours: samples.ours,
      reference: samples.copy,
      referenceName: 'COPY of the same rows',
      goal: { ratio: 1 / 0.5 },
    }),
    compare({
      name: 'parse, derive, persist, to row by row',
      unit,
      ours: samples.ours,
      reference: samples.rowByRow,
      referenceName: 'an INSERT per row, each committed',
      goal: { ratio: Number((1 / 15).toFixed(3)) },
    }),
    compare({
      name: 'parse, derive, persist, to INSERTs together',
      unit,
      ours: samples.ours,
      reference: samples.together,
      referenceName: 'an INSERT per row, one transaction',
    }),
  ]
}

async function inTransaction(client: Client, work: () => Promise<unknown>): Promise<void> {
  await client.query('BEGIN')
  await work()
  await client.query('COMMIT')
}

/** Runs an upload's job after its content is stored: read, parse, derive, store, set ready. */
async function ingest(client: Client, contents: ContentStores): Promise<void> {
  const job = { tenantId: 'acme', sessionId: 's1', lease: 'bench', attempts: 1 }
  await deriveSession(client, contents, job, () => undefined)
}

function* chunksOf(log: Buffer): Generator<Buffer> {
  for (let at = 0; at < log.length; at += 65_536) yield log.subarray(at, at + 65_536)
}

/** Reads the rows in COPY's format. */
async function copyRows(client: Client): Promise<Buffer> {
  const chunks: Buffer[] = []
  const rows = client.query(
    copyTo(`COPY (SELECT ${COLUMNS} FROM timeline_events ORDER BY seq) TO STDOUT`),
  )
  for await (const chunk of rows) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function copyInto(client: Client, rows: Buffer): Promise<void> {
  const into = client.query(copyFrom(`COPY timeline_events (${COLUMNS}) FROM STDIN`))
  return pipeline(Readable.from(chunksOf(rows)), into)
}

async function insertEach(client: Client, rows: readonly unknown[][]): Promise<void> {
  const places = COLUMNS.split(',').map((_, index) => `$${index + 1}`)
  const text = `INSERT INTO timeline_events (${COLUMNS}) VALUES (${places.join(', ')})`
  for (const values of rows) await client.query({ name: 'insert-event', text, values })
}

async function measureMemory(context: BenchContext, databaseUrl: string): Promise<Comparison> {
  const memory = await measureIngestMemory({
    databaseUrl,
    lines: LONG_LOG_LINES,
    outputLength: LONG_LOG_OUTPUT,
  })
  const { logMegabytes, events, startMegabytes, peakMegabytes } = memory
  context.note(`${logMegabytes} MB, ${events} events: ${startMegabytes} to ${peakMegabytes} MB`)
  if (logMegabytes < 500) throw new Error(`The log has only ${logMegabytes} MB.`)
  return compare({
    name: 'memory for a log of 500 MB',
    unit: 'MB',
    ours: [peakMegabytes],
    reference: [startMegabytes],
    referenceName: 'the process before it reads',
    goal: { over: MEMORY_GOAL_MB },
  })
}
