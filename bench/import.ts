import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Client } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { migrate } from '../src/server/migrate.ts'
import { type BenchContext, type Benchmark, type Comparison, compare, timed } from './harness.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'

const messages = Number(process.env.BENCH_IMPORT_MESSAGES ?? 1_000_000)
const threads = 1_000

/** A large snapshot, imported with all checks, against a raw COPY of the same rows into the same table. */
export const benchmark: Benchmark = { name: 'import', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-bench-import-'))
  try {
    await writeSnapshot(directory)
    return await withPostgres((postgres) => measure(context, postgres, directory))
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
  const database = await postgres.connect()
  const ours: number[] = []
  const reference: number[] = []
  const memory: number[] = []
  for (let round = 0; round < Math.min(context.rounds, 3); round++) {
    await empty(database)
    const imported = await importInProcess(postgres.url, directory)
    ours.push(imported.ms)
    memory.push(imported.rssMb)
    const rows = join(directory, 'rows.copy')
    await pipeline(database.query(copyTo('COPY chat_messages TO STDOUT')), createWriteStream(rows))
    await empty(database)
    await addParents(database)
    reference.push(
      await timed(() =>
        pipeline(
          createReadStream(rows, { highWaterMark: 1024 * 1024 }),
          database.query(copyFrom('COPY chat_messages FROM STDIN')),
        ),
      ),
    )
    context.note(
      `${ours.at(-1)?.toFixed(0)} ms, COPY ${reference.at(-1)?.toFixed(0)} ms, ${imported.rssMb.toFixed(0)} MB`,
    )
  }
  return [
    compare({
      name: `import of ${messages.toLocaleString('en-US')} messages, checked`,
      unit: 'ms',
      ours,
      reference,
      referenceName: 'raw COPY of the same rows',
      goal: { ratio: 2 },
    }),
    compare({
      name: 'peak memory of the importing process',
      unit: 'MB',
      ours: memory,
      reference: [256],
      referenceName: 'a bound, whatever the size',
      goal: { ratio: 1 },
    }),
  ]
}

async function empty(database: Client): Promise<void> {
  await database.query('TRUNCATE sessions, chat_threads, chat_messages CASCADE')
}

async function addParents(database: Client): Promise<void> {
  await database.query(`
    INSERT INTO sessions (tenant_id, id, owner_id, title)
      SELECT 'bench', 'session-' || n, 'u', 't' FROM generate_series(0, 99) n;
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title, status)
      SELECT 'bench', 'thread_' || n, 'session-' || n % 100, 'u', 'session', 't', 'archived'
      FROM generate_series(0, ${threads - 1}) n`)
}

/** In a process of its own, so that its memory is its own. */
async function importInProcess(
  url: string,
  dataDir: string,
): Promise<{ ms: number; rssMb: number }> {
  const program = join(import.meta.dirname, 'support/import.program.ts')
  const child = spawn(process.execPath, [program, url, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  return JSON.parse(text)
}

async function writeSnapshot(directory: string): Promise<void> {
  const time = (n: number) => new Date(1.75e12 + n * 1_000).toISOString()
  await writeFile(
    join(directory, 'chat-threads.json'),
    JSON.stringify(
      Array.from({ length: threads }, (_, n) => ({
        ...{ id: `thread_${n}`, sessionId: `session-${n % 100}`, mode: 'session', title: `T ${n}` },
        ...{ status: 'archived', messageCount: 0, createdAt: time(n), updatedAt: time(n) },
      })),
    ),
  )
  const out = createWriteStream(join(directory, 'chat-messages.json'))
  const content = 'Looking at the context, there is no such event.\n\n1. [user] Please summarise.\n'
  out.write('[\n')
  for (let n = 0; n < messages; n++) {
    const thread = (n * 31) % threads
    const record = {
      ...{
        id: `chat_${String((n * 7_919) % messages).padStart(9, '0')}-4b1d-4c5e-8f00-0123456789ab`,
      },
      ...{ sessionId: `session-${thread % 100}`, mode: 'session', threadId: `thread_${thread}` },
      ...{ role: n % 2 ? 'user' : 'assistant', content: content.repeat(1 + (n % 6)) + n },
      ...(n % 2 && { clientMessageId: `client-${n}` }),
      ...{ createdAt: time(n), updatedAt: time(n) },
    }
    const text = `${n > 0 ? ',\n' : ''}${JSON.stringify(record, null, 2)}`
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end('\n]\n')
  await once(out, 'close')
}
