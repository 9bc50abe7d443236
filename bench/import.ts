import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Client } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { migrate } from '../src/server/migrations/migrate.ts'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  timed,
} from './harness.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'
import { importInProcess } from './support/import-process.ts'
import { writeLegacySnapshot } from './support/legacy-snapshot.ts'

const messages = Number(process.env.BENCH_IMPORT_MESSAGES ?? 100_000)
const threads = 1_000
const ROWS_IN_FILE_ORDER = 'COPY (SELECT * FROM chat_messages ORDER BY created_at) TO STDOUT'
const PARENTS = ['sessions', 'chat_threads']

/**
 * Imports a snapshot with all checks, and compares with a raw COPY of the same rows, in file order, into
 * the same table with the same indexes and triggers. Commits are flushed to disk, as in production.
 */
export const benchmark: Benchmark = { name: 'import', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-bench-import-'))
  try {
    await writeLegacySnapshot(directory, { messages, threads, lines: 6 })
    const { size } = await stat(join(directory, 'chat-messages.json'))
    context.note(`${messages.toLocaleString('en-US')} messages, ${(size / 1e6).toFixed(0)} MB`)
    return await withPostgres((postgres) => measure(context, postgres, directory), { fsync: 'on' })
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function measure(
  context: BenchContext,
  postgres: BenchPostgres,
  directory: string,
): Promise<Comparison[]> {
  await migrate({ database: postgres.url })
  const client = await postgres.connect()
  const rows = join(directory, 'rows.copy')
  await importInProcess(postgres.url, directory)
  await pipeline(client.query(copyTo(ROWS_IN_FILE_ORDER)), createWriteStream(rows))
  await keepParents(client)
  const each = (ms: number) => ((ms * 1_000) / messages).toFixed(1)
  const imported = async () => {
    const { ms, stages } = await importInProcess(postgres.url, directory)
    context.note(stages.map(({ stage, ms }) => `${stage} ${each(ms)}`).join(', '))
    return ms
  }
  /** Measures microseconds per message into empty tables. */
  const perMessage =
    (store: () => Promise<number>, prepare = async () => {}) =>
    async () => {
      await client.query('TRUNCATE sessions CASCADE')
      await prepare()
      await client.query('CHECKPOINT')
      const ms = await store()
      context.note(`${each(ms)} µs/message`)
      return (ms * 1_000) / messages
    }
  const samples = await interleave(context.rounds, {
    ours: perMessage(imported),
    copy: perMessage(
      () => timed(() => copyInto(client, rows)),
      () => addParents(client),
    ),
  })
  return [
    compare({
      name: 'import, checked',
      unit: 'µs/message',
      ours: samples.ours,
      reference: samples.copy,
      referenceName: 'raw COPY of the same rows',
      goal: { ratio: 4 },
    }),
  ]
}

/** Keeps the imported sessions and threads, without counts and previews of messages. */
async function keepParents(client: Client): Promise<void> {
  for (const table of PARENTS) await client.query(`CREATE TABLE kept_${table} AS TABLE ${table}`)
  await client.query(`UPDATE kept_chat_threads SET message_count = 0, last_position = 0,
    last_message_at = NULL, last_message_preview = NULL`)
}

async function addParents(client: Client): Promise<void> {
  for (const table of PARENTS) await client.query(`INSERT INTO ${table} TABLE kept_${table}`)
}

function copyInto(client: Client, rows: string): Promise<void> {
  return pipeline(
    createReadStream(rows, { highWaterMark: 1024 * 1024 }),
    client.query(copyFrom('COPY chat_messages FROM STDIN')),
  )
}
