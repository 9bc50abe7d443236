import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { createSessionStore, migrate, type SessionSearch } from '../src/server/index.ts'
import { eventLines } from '../src/server/uploads/derivation/events.ts'
import { deriveTimeline } from '../src/timeline/index.ts'
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

/** A million, or fewer for a quick look. */
const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000)
const PER_SESSION = 2_000
const GOAL_MS = 150

/** Rare and common words, parts of identifiers and paths, phrases, and words that nothing contains. */
const QUERIES: readonly SessionSearch[] = [
  { query: 'module77' },
  { query: 'getUser4' },
  { query: 'mod12/user' },
  { query: 'session token' },
  { query: 'retry' },
  { query: '"handler returns"' },
  { query: 'error -timeout', kinds: ['message'] },
  { query: 'nowheretobefound' },
  { query: 'session', sessionId: 's3' },
]

/**
 * Measures the search of a tenant's events: its slowest tenth of answers, against a sequential scan with
 * ILIKE and against a plain `tsvector` index with `ts_rank`; and what its index costs.
 */
export const benchmark: Benchmark = { name: 'search', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    await migrate({ database: postgres.url })
    const client = await postgres.connect()
    const writing = await load(context, client)
    await client.query(`
      CREATE INDEX bench_plain_idx ON timeline_events
        USING gin (to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(text, '')))`)
    await client.query('VACUUM ANALYZE')
    await noteSizes(context, client)
    const store = createSessionStore({ database: postgres.url })
    const principal = { tenantId: 'acme', userId: 'ada' }
    try {
      const query = (search: SessionSearch) => store.search(principal, search)
      for (const search of QUERIES) {
        const ms = await timed(() => query(search))
        context.note(`${JSON.stringify(search)}: ${ms.toFixed(0)} ms`)
      }
      const samples = await interleave(context.rounds, {
        ours: slowest(QUERIES, query),
        plain: slowest(QUERIES, ({ query: text }) => client.query(PLAIN, [text])),
      })
      const scans = await interleave(Math.min(3, context.rounds), {
        scan: slowest(QUERIES.slice(0, 3), ({ query: text }) => client.query(SCAN, [`%${text}%`])),
      })
      const unit = 'ms'
      const ours = samples.ours
      return [
        compare({
          ...{ name: `p95 of a search in ${EVENTS} events`, unit, ours },
          ...{ reference: scans.scan, referenceName: 'a sequential scan with ILIKE' },
          goal: { most: GOAL_MS },
        }),
        compare({
          ...{ name: `p95 of a search in ${EVENTS} events, to a plain index`, unit, ours },
          ...{ reference: samples.plain, referenceName: 'to_tsvector, GIN and ts_rank' },
        }),
        compare({
          ...{ name: 'writing an event with the index', unit: 'µs/row', ours: [writing.indexed] },
          ...{ reference: [writing.bare], referenceName: 'COPY without search index' },
        }),
      ]
    } finally {
      await store.close()
    }
  })
}

const PLAIN = `
  SELECT id, ts_rank(to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(text, '')), query)
  FROM timeline_events, websearch_to_tsquery('simple', $1) AS query
  WHERE tenant_id = 'acme'
    AND to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(text, '')) @@ query
  ORDER BY 2 DESC LIMIT 20`

const SCAN = `SELECT id FROM timeline_events WHERE tenant_id = 'acme'
  AND coalesce(title, '') || ' ' || coalesce(text, '') ILIKE $1 ORDER BY occurred_at DESC LIMIT 20`

/** Returns a function that runs each query once and returns the 95th percentile of their times. */
function slowest(
  queries: readonly SessionSearch[],
  search: (search: SessionSearch) => Promise<unknown>,
): () => Promise<number> {
  return async () => {
    const times: number[] = []
    for (const query of queries) times.push(await timed(() => search(query)))
    times.sort((a, b) => a - b)
    return times[Math.min(times.length - 1, Math.floor(times.length * 0.95))] ?? 0
  }
}

/** Loads sessions of two tenants. Returns µs per row with and without the index of the search. */
async function load(
  { note }: BenchContext,
  client: Client,
): Promise<{ indexed: number; bare: number }> {
  const lines = await linesOfOneSession()
  const sessions = Math.ceil(EVENTS / PER_SESSION)
  let ms = 0
  for (let n = 0; n < sessions; n++) {
    // Every tenth session belongs to another tenant, whose words must cost nothing.
    const tenantId = n % 10 === 9 ? 'rival' : 'acme'
    await client.query(
      `INSERT INTO sessions (tenant_id, id, owner_id, title, status, started_at)
       VALUES ($1, $2, 'ada', $2, 'ready', now() - $3 * interval '1 hour')`,
      [tenantId, `s${n}`, sessions - n],
    )
    const copied = lines(tenantId, `s${n}`, n)
    ms += await timed(() => copy(client, copied, 'timeline_events'))
    if (n % 50 === 49) note(`${(n + 1) * PER_SESSION} events`)
  }
  await client.query('CREATE TABLE bench_bare (LIKE timeline_events INCLUDING ALL)')
  await client.query(
    `DO $$ DECLARE found text; BEGIN
       SELECT indexname INTO found FROM pg_indexes
       WHERE tablename = 'bench_bare' AND indexdef LIKE '%USING gin%';
       EXECUTE 'DROP INDEX ' || quote_ident(found);
     END $$`,
  )
  const chunks: Buffer[] = []
  const rows = client.query(copyTo('COPY (SELECT * FROM timeline_events LIMIT 50000) TO STDOUT'))
  for await (const chunk of rows) chunks.push(chunk as Buffer)
  const count = Math.min(50_000, sessions * PER_SESSION)
  const bare = await timed(() => copy(client, Buffer.concat(chunks), 'bench_bare', ''))
  await client.query('DROP TABLE bench_bare')
  return { indexed: (ms * 1_000) / (sessions * PER_SESSION), bare: (bare * 1_000) / count }
}

/** Derives a session's events once, with a mark in the text where sessions differ. */
async function linesOfOneSession() {
  const events: Parameters<typeof eventLines>[1][number][] = []
  const timeline = deriveTimeline(
    Readable.from(agentLog({ lines: PER_SESSION, outputLength: 400 })),
  )
  for await (const batch of timeline) {
    for (const event of batch.events) {
      const text = `${event.text ?? ''} src/mod§/getUser§ById.ts module§`
      events.push({ ...event, text, moreWords: 'User§ById ById' })
    }
  }
  return (tenantId: string, sessionId: string, n: number) => {
    const lines = eventLines({ tenantId, sessionId, derivedBy: 'bench' }, events).toString()
    let line = 0
    return Buffer.from(lines.replaceAll('§', () => String((n * 31 + line++) % 5_000)))
  }
}

const COLUMNS = `(tenant_id, session_id, derived_by, id, seq, kind, role, occurred_at, title, text,
  tool_name, call_id, parent_id, fold, data, more_words)`

async function copy(client: Client, lines: Buffer, table: string, columns = COLUMNS) {
  const sink = client.query(copyFrom(`COPY ${table} ${columns} FROM STDIN`))
  await pipeline(Readable.from([lines]), sink)
}

async function noteSizes({ note }: BenchContext, client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string; size: string }>(
    `SELECT relname AS name, pg_size_pretty(pg_relation_size(oid)) AS size FROM pg_class
     WHERE relname IN ('timeline_events', 'timeline_events_document_idx', 'bench_plain_idx')`,
  )
  for (const { name, size } of rows) note(`${name}: ${size}`)
}
