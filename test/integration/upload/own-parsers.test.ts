import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { runCli } from '../../../src/cli/run-cli.ts'
import {
  createSessionStore,
  defineTimelineParser,
  rederiveSessions,
  type SessionStore,
} from '../../../src/server.ts'
import {
  ada,
  insertEvent,
  type StoreFixture,
  startStore,
  stranger,
} from '../server/store-fixture.ts'
import { codexLog, streamOf } from './log-file.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})

afterAll(() => fixture.close())

const chatParser = (version: number) =>
  defineTimelineParser({
    name: 'my chat/log',
    format: 'my-chat',
    version,
    detect: ({ text }) => (text.startsWith('you> ') ? 1 : 0),
    create: () => ({
      facts: {},
      push: ({ text }) => [{ kind: 'message', role: 'user', text: `v${version} ${text.slice(5)}` }],
      finish: () => [],
    }),
  })

function open(version: number): SessionStore {
  const store = createSessionStore({ database: fixture.url, parsers: [chatParser(version)] })
  onTestFinished(() => store.close())
  return store
}

async function upload(store: SessionStore, user = ada, log = 'you> hello\nyou> again\n') {
  const id = randomUUID()
  await store.createSession(user, { id, title: 'log', originalName: 'log' })
  await store.uploadContent(user, id, streamOf(Buffer.from(log)))
  return id
}

const textsOf = async (id: string) =>
  (
    await fixture.rows('SELECT text FROM timeline_events WHERE session_id = $1 ORDER BY seq', [id])
  ).map(({ text }) => text)

const statesOf = async (...ids: string[]) => {
  const found = await fixture.rows<{ session_id: string; state: string }>(
    'SELECT session_id, state FROM session_uploads WHERE session_id = ANY ($1)',
    [ids],
  )
  return ids.map((id) => found.find(({ session_id }) => session_id === id)?.state)
}

async function work(store: SessionStore, done: () => Promise<unknown>): Promise<void> {
  const worker = store.startWorker({ pollMs: 20, sweepMs: 50 })
  await expect.poll(done, { timeout: 30_000 }).toBeTruthy()
  await worker.stop()
}

test('reads uploads with the parsers of the store', async () => {
  const store = open(1)
  const id = await upload(store)
  const [session] = await fixture.rows('SELECT format, title FROM sessions WHERE id = $1', [id])
  expect(session).toEqual({ format: 'my-chat', title: 'v1 hello' })
  expect(await textsOf(id)).toEqual(['v1 hello', 'v1 again'])
  expect(await store.readEvent(ada, id, 1)).toMatchObject({ text: 'v1 again', raw: 'you> again\n' })
})

test('derives again when the version of a parser rises, and keeps the events of the app', async () => {
  const old = open(1)
  const id = await upload(old)
  const other = await upload(old, ada, codexLog(5).toString())
  await fixture.write(ada, insertEvent(id, 2, { text: 'a note' }))
  const before = await fixture.rows('SELECT * FROM session_uploads WHERE session_id = $1', [other])
  const store = open(2)
  await work(store, async () => (await textsOf(id))[0] === 'v2 hello')
  expect(await textsOf(id)).toEqual(['v2 hello', 'v2 again', 'a note'])
  expect(
    await fixture.rows('SELECT * FROM session_uploads WHERE session_id = $1', [other]),
  ).toEqual(before)
  // A process that still has the older version leaves the newer timeline alone.
  const parsers = [chatParser(1)]
  expect(await rederiveSessions({ database: fixture.pool, parsers, dryRun: true })).toEqual({
    sessions: 0,
  })
})

test('queues timelines by tenant and format, each once, while they stay readable', async () => {
  const store = open(3)
  const [mine, theirs] = [await upload(store), await upload(store, stranger)]
  const plain = await upload(store, ada, 'you there\n')
  const database = fixture.pool
  const filter = { database, tenantId: 'acme', format: 'other', all: true }
  expect(await rederiveSessions({ ...filter, dryRun: true })).toEqual({ sessions: 1 })
  expect(await rederiveSessions(filter)).toEqual({ sessions: 1 })
  expect(await rederiveSessions(filter)).toEqual({ sessions: 0 })
  expect(await statesOf(mine, theirs, plain)).toEqual(['done', 'done', 'queued'])
  expect(await store.uploadState(ada, plain)).toMatchObject({ status: 'ready', eventCount: 1 })
  // A new upload is derived before the queue.
  const big = createSessionStore({ database: fixture.url, uploads: { deriveAtOnceBytes: 0 } })
  onTestFinished(() => big.close())
  const fresh = await upload(big)
  const worker = big.startWorker({ pollMs: 10 })
  await expect.poll(() => statesOf(fresh, plain), { timeout: 30_000 }).toEqual(['done', 'done'])
  await worker.stop()
  const [order] = await fixture.rows(
    `SELECT (SELECT updated_at FROM session_uploads WHERE session_id = $1)
       < (SELECT updated_at FROM session_uploads WHERE session_id = $2) AS fresh_first`,
    [fresh, plain],
  )
  expect(order).toEqual({ fresh_first: true })
})

test('session-db rederive derives with the parsers of a module', async () => {
  const id = await upload(open(4))
  const directory = await mkdtemp(join(tmpdir(), 'session-db-parsers-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const module = join(directory, 'parsers.mjs')
  await writeFile(
    module,
    `export const parsers = [{ name: 'my chat/log', format: 'my-chat', version: 9, longLines: 'cut',
      detect: () => 0.5, create: () => ({ facts: {}, finish: () => [],
        push: ({ text }) => [{ kind: 'message', role: 'user', text: 'v9' }] }) }]`,
  )
  const written: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  onTestFinished(() => void vi.restoreAllMocks())
  const args = [
    'rederive',
    '--database-url',
    fixture.url,
    '--tenant',
    'acme',
    '--format',
    'my-chat',
  ]
  expect(await runCli([...args, '--parsers', module, '--dry-run', '--json'])).toBe(0)
  const { sessions } = JSON.parse(written.splice(0).join(''))
  expect(sessions).toBeGreaterThan(0)
  expect(await runCli([...args, '--parsers', module, '--run', '--json'])).toBe(0)
  expect(await textsOf(id)).toEqual(['v9', 'v9'])
  expect(await runCli([...args, '--parsers', module])).toBe(0)
  expect(written.at(-1)).toContain('0 sessions queued')
})
