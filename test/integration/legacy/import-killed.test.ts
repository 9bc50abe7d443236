import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportData, exportSessionUploads, type ImportReport } from '../../../src/legacy/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import {
  type HaltingProxy,
  startHaltingProxy,
  type WireProgress,
} from '../../support/halting-proxy.ts'
import { type Program, runProgram } from '../../support/program.ts'
import { cases, SEED } from '../../support/property.ts'
import { query } from '../../support/query.ts'

const root = join(import.meta.dirname, '../../..')
const MESSAGES = 2_000
const UPLOADS = 3
const KILLS = cases(1, 12)

const directories = temporaryDirectories()
let data: string
let calm: { database: TestDatabase; sent: WireProgress; threads: unknown; state: unknown }

beforeAll(async () => {
  data = await snapshot()
  const database = await migratedDatabase()
  const proxy = await startHaltingProxy(database.url)
  const program = await startImport(proxy)
  expect(await program.ended, program.output.stderr).toMatchObject({ code: 0 })
  const { perThread } = reportOf(program)
  calm = { database, sent: proxy.progress(), threads: perThread, state: await stateOf(database) }
  await proxy.close()
})
afterAll(async () => {
  await calm.database.drop()
  await directories.remove()
})

/** Threads with and without records, tool events, and uploads of some of their sessions. */
async function snapshot(): Promise<string> {
  const directory = await directories.create()
  const time = (n: number) => new Date(1.76e12 + n * 1_000).toISOString()
  const messages = Array.from({ length: MESSAGES }, (_, n) => ({
    ...{ id: `m${(n * 7_919) % MESSAGES}`, sessionId: `s${n % 7}`, mode: 'session' },
    ...(n % 3 > 0 && { threadId: `t${n % 50}` }),
    ...{ role: 'user', content: `Text ${n} `.repeat(20), createdAt: time((n * 31) % MESSAGES) },
  }))
  const tools = Array.from({ length: 50 }, (_, n) => ({
    ...{ id: `e${n}`, sessionId: 's1', threadId: 't1', toolName: 'look', startedAt: time(n * 40) },
  }))
  await writeFile(join(directory, 'chat-messages.json'), JSON.stringify(messages, null, 2))
  await writeFile(join(directory, 'chat-tool-events.json'), JSON.stringify(tools))
  const uploads = Array.from({ length: UPLOADS }, (_, n) => ({
    ...{ id: `s${n}`, originalName: `s${n}.jsonl`, storedAt: time(n) },
    content: `{"type": "event", "n": ${n}}\n`.repeat(20 * 10 ** n),
  }))
  for await (const _ of exportSessionUploads(uploads, { directory }));
  return directory
}

async function startImport({ url }: Pick<HaltingProxy, 'url'>): Promise<Program> {
  return runProgram(
    join(root, 'src/cli/main.ts'),
    ['import', '--data', data, '--tenant', 'acme', '--user', 'ada', '--json'],
    { env: { DATABASE_URL: url }, cwd: await directories.create() },
  )
}

function reportOf({ output }: Program): ImportReport {
  return JSON.parse(output.stdout)
}

/** Everything of a tenant, contents included, without the times of the import. */
async function stateOf({ url }: Pick<TestDatabase, 'url'>): Promise<Record<string, unknown>> {
  const directory = join(await directories.create(), 'export')
  await exportData({ database: url, tenantId: 'acme', directory })
  const files = (await readdir(directory, { recursive: true })).filter((name) =>
    /\.ndjson$|contents.\w/.test(name),
  )
  const texts = await Promise.all(
    files
      .sort()
      .map(async (name) => [name, await readFile(join(directory, name), 'utf8')] as const),
  )
  return Object.fromEntries(texts.map(([name, text]) => [name, withoutImportTimes(name, text)]))
}

function withoutImportTimes(name: string, text: string): unknown {
  if (name === 'sessions.ndjson') return text.replace(/"updated_at": ?"[^"]*"/g, '')
  if (name === 'timeline-events.ndjson') return text.replace(/"created_at": ?"[^"]*"/g, '')
  return text
}

/** Pseudo-random numbers in [0, 1). */
function* randomNumbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

/** Random points by bytes sent and by queries, then just before COMMIT, and when COMMIT is sent. */
function pointsToKillAt(sent: WireProgress): Partial<WireProgress>[] {
  const random = randomNumbers(SEED)
  const within = (total: number) => 1 + Math.floor((random.next().value ?? 0) * total)
  const places = Array.from({ length: KILLS }, (_, n) =>
    n % 2 === 0 ? { requests: within(sent.requests) } : { bytes: within(sent.bytes) },
  )
  return [...places, { requests: sent.requests - 1 }, { requests: sent.requests }]
}

/** Kills an import at a point. */
async function killedAt(database: TestDatabase, point: Partial<WireProgress>): Promise<void> {
  let halted = () => {}
  const reached = new Promise<void>((resolve) => {
    halted = resolve
  })
  const proxy = await startHaltingProxy(database.url, point, () => halted())
  const program = await startImport(proxy)
  await Promise.race([reached, program.ended])
  program.kill('SIGKILL')
  expect(await program.ended, program.output.stderr).toMatchObject({ signal: 'SIGKILL' })
  await proxy.close()
  await untilAlone(database)
}

/** Waits until Postgres has noticed that the client is gone. */
async function untilAlone({ url }: TestDatabase): Promise<void> {
  const others = `SELECT pg_stat_clear_snapshot(), count(*)::int AS n FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`
  await expect.poll(async () => (await query(url, others))[0]?.n, { timeout: 30_000 }).toBe(0)
}

test(`kill -9 at random points (seed ${SEED}): nothing is half imported, and the next run completes`, async () => {
  for (const point of pointsToKillAt(calm.sent)) {
    const database = await migratedDatabase()
    const where = JSON.stringify(point)
    await killedAt(database, point)
    const [counts] = await query(
      database.url,
      `SELECT (SELECT count(*)::int FROM chat_messages) AS messages,
         (SELECT count(*)::int FROM sessions WHERE status <> 'ready') AS unready,
         (SELECT count(*)::int FROM chat_threads t WHERE message_count <> (
           SELECT count(*) FROM chat_messages m WHERE m.thread_id = t.id)) AS miscounted`,
    )
    expect([0, MESSAGES + 50], where).toContain(counts?.messages)
    expect(counts, where).toMatchObject({ unready: 0, miscounted: 0 })

    const again = await startImport(database)
    expect(await again.ended, again.output.stderr).toMatchObject({ code: 0 })
    expect(reportOf(again).perThread, where).toEqual(calm.threads)
    expect(await stateOf(database), where).toEqual(calm.state)
    const third = await startImport(database)
    await third.ended
    expect(reportOf(third), where).toMatchObject({
      changed: false,
      uploads: { inserted: 0, filled: 0 },
    })
    await database.drop()
  }
})
