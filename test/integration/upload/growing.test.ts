import { randomUUID } from 'node:crypto'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { runCli } from '../../../src/cli/run-cli.ts'
import type { SentLog } from '../../../src/cli/watch/send-log.ts'
import { watchLogs } from '../../../src/cli/watch/watch-logs.ts'
import { createSessionCollections, uploadSession } from '../../../src/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { createUploadHandler } from '../../../src/server/uploads/handler/upload-handler.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'
import { ada, bob, insertEvent, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { codexLog, streamOf } from './log-file.ts'

const users: Record<string, Principal> = { 'Bearer ada': ada, 'Bearer bob': bob }

let fixture: StoreFixture
let store: StoreFixture['store']
let server: Served

beforeAll(async () => {
  fixture = await startStore()
  store = fixture.store
  const handle = createUploadHandler({
    store,
    authenticate: (request) => users[request.headers.get('authorization') ?? ''],
    basePath: '/up',
  })
  server = await serve(handle)
})

afterAll(async () => {
  await server.close()
  await fixture.close()
})

/** A log whose agent has this id. */
const logOf = (agent: string, events: number, text?: string) =>
  Buffer.from(codexLog(events, text).toString().replace('agent-1', agent))

async function upload(bytes: Buffer, more: object = {}, user: Principal = ada) {
  const id = randomUUID()
  await store.createSession(user, { id, title: 'log', originalName: `${id}.jsonl`, ...more })
  return (await store.uploadContent(user, id, streamOf(bytes))).sessionId
}

const sessionsOf = (agent: string) =>
  fixture.rows<{ id: string; event_count: number; status: string }>(
    `SELECT id, event_count, status FROM sessions WHERE agent_session_id = $1 ORDER BY created_at`,
    [agent],
  )

const eventsOf = (id: string) =>
  fixture.rows<{ seq: number; xmin: string; text: string }>(
    'SELECT seq, xmin::text, text FROM timeline_events WHERE session_id = $1 ORDER BY seq',
    [id],
  )

describe('a growing log', () => {
  test('joins its session: added lines add events, and no other event changes', async () => {
    const id = await upload(logOf('grows', 20), { growing: true })
    const before = await eventsOf(id)
    expect(await upload(logOf('grows', 30), { growing: true })).toBe(id)
    const after = await eventsOf(id)
    expect(after).toHaveLength(30)
    expect(after.slice(0, 20)).toEqual(before)
    expect(await sessionsOf('grows')).toEqual([{ id, event_count: 30, status: 'ready' }])
    const state = await store.uploadState(ada, id)
    expect(state).toMatchObject({ receivedBytes: logOf('grows', 30).length, eventCount: 30 })
  })

  test('is one session after a second copy, and after an older one', async () => {
    const id = await upload(logOf('copies', 20), { growing: true })
    expect(await upload(logOf('copies', 20), { growing: true })).toBe(id)
    expect(await upload(logOf('copies', 10), { growing: true })).toBe(id)
    expect(await sessionsOf('copies')).toEqual([{ id, event_count: 20, status: 'ready' }])
    expect((await store.readEvent(ada, id, 19)).raw).toContain('number 18')
  })

  test('is derived again when its file was rewritten, and keeps the events of the app', async () => {
    const named = { growing: true, originalName: 'run.jsonl' }
    const id = await upload(logOf('rewritten', 5), named)
    await fixture.write(ada, insertEvent(id, 5, { text: 'a note' }))
    const packed = gzipSync(logOf('rewritten', 4, 'other'))
    expect(await upload(packed, { growing: true, originalName: 'run.jsonl.gz' })).toBe(id)
    const texts = (await eventsOf(id)).map(({ text }) => text)
    expect(texts).toEqual([null, ...[0, 1, 2].map((n) => `other number ${n}`), 'a note'])
  })

  test('stays another session for another user, another log, and without the option', async () => {
    const id = await upload(logOf('apart', 5), { growing: true })
    expect(await upload(logOf('apart', 6), { growing: true }, bob)).not.toBe(id)
    expect(await upload(logOf('apart', 6, 'unrelated'), { growing: true })).not.toBe(id)
    expect(await upload(logOf('apart', 6))).not.toBe(id)
    expect(await sessionsOf('apart')).toHaveLength(4)
  })

  test('is one session after concurrent uploads', async () => {
    const uploads = [5, 9, 7, 9].map((events) => upload(logOf('races', events), { growing: true }))
    await Promise.all(uploads)
    const [session, ...others] = await sessionsOf('races')
    expect(others).toEqual([])
    expect(session).toMatchObject({ event_count: 9 })
  })

  test('tells the browser which session has it', async () => {
    const db = createSessionCollections({
      electricUrl: `${server.url}/shapes`,
      writeAdapter: () => Promise.reject(new Error('not used')),
      uploadUrl: `${server.url}/up`,
      headers: { authorization: 'Bearer ada' },
    })
    onTestFinished(() => db.cleanup())
    const file = (events: number) => new File([new Uint8Array(logOf('web', events))], 'web.jsonl')
    const first = uploadSession(db, { file: file(5), growing: true })
    expect(await first.uploaded).toEqual({ status: 'ready' })
    const second = uploadSession(db, { file: file(8), growing: true })
    expect(await second.uploaded).toEqual({ status: 'ready', sessionId: first.id })
    expect(await store.uploadState(ada, first.id)).toMatchObject({ eventCount: 8 })
  })
})

describe('an upload that names the session of its agent', () => {
  const agentSession = { format: 'codex', id: 'named' }

  test('replaces the content of the session, which stays readable until then', async () => {
    const id = await upload(logOf('named', 10))
    const bytes = logOf('named', 15)
    const created = await store.createSession(ada, {
      ...{ id: randomUUID(), title: 'x', agentSession, totalBytes: bytes.length },
    })
    expect(created).toMatchObject({ sessionId: id, status: 'ready', receivedBytes: 0 })
    await store.uploadContent(ada, id, streamOf(bytes.subarray(0, 500)))
    expect(await store.uploadState(ada, id)).toMatchObject({ status: 'ready', eventCount: 10 })
    expect((await store.readEvent(ada, id, 3)).raw).toContain('number 2')
    const rest = store.uploadContent(ada, id, streamOf(bytes.subarray(500)), { offset: 500 })
    expect(await rest).toMatchObject({ status: 'ready', eventCount: 15 })
  })

  test('leaves the session as it was when it is aborted', async () => {
    const [{ id = '' } = {}] = await sessionsOf('named')
    await store.createSession(ada, { id: 'y', title: 'x', agentSession, totalBytes: 5_000 })
    await store.uploadContent(ada, id, streamOf(logOf('named', 2).subarray(0, 100)))
    await store.abortUpload(ada, id)
    const [session] = await fixture.rows('SELECT * FROM sessions WHERE id = $1', [id])
    expect(session).toMatchObject({ status: 'ready', progress: null, event_count: 15 })
    expect((await store.readEvent(ada, id, 14)).raw).toContain('number 13')
  })
})

describe('session-db watch', () => {
  async function follow(folder: string) {
    const stopping = new AbortController()
    const sent: SentLog[] = []
    const failed: string[] = []
    const running = watchLogs({
      directories: [folder],
      url: `${server.url}/up`,
      headers: { authorization: 'Bearer ada' },
      visibility: 'private',
      since: new Date(0),
      once: false,
      pollMs: 20,
      stateFile: join(folder, 'state'),
      signal: stopping.signal,
      onSent: (_, log) => sent.push(log),
      onFailed: (_, { message }) => failed.push(message),
    })
    const stop = async () => {
      stopping.abort()
      await running
    }
    onTestFinished(stop)
    return { sent, failed, stop }
  }

  async function folderOf(name: string): Promise<{ folder: string; file: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'session-db-watch-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    return { folder, file: join(folder, name) }
  }

  test('uploads a log, and what is appended to it, into one session', async () => {
    const { folder, file } = await folderOf('rollout.jsonl')
    const whole = logOf('watched', 12)
    const at = (events: number) => logOf('watched', events).length
    await writeFile(file, whole.subarray(0, at(4) + 30))
    const { sent, stop } = await follow(folder)
    const counts = async () => (await sessionsOf('watched')).map(({ event_count: n }) => n)
    // A line that is still being written waits.
    await expect.poll(counts, { timeout: 20_000 }).toEqual([4])
    await appendFile(file, whole.subarray(at(4) + 30, at(8)))
    await expect.poll(counts, { timeout: 20_000 }).toEqual([8])
    await stop()
    await appendFile(file, whole.subarray(at(8)))
    const again = await follow(folder)
    await expect.poll(counts, { timeout: 20_000 }).toEqual([12])
    // The agent compresses the log: it is the same session.
    await writeFile(`${file}.gz`, gzipSync(await readFile(file)))
    await expect.poll(() => again.sent.length, { timeout: 20_000 }).toBe(2)
    expect(await counts()).toEqual([12])
    expect(new Set([...sent, ...again.sent].map(({ sessionId }) => sessionId)).size).toBe(1)
  })

  test('reports a file that is no log once, and goes on', async () => {
    const { folder, file } = await folderOf('a.json')
    await writeFile(file, 'SQLite format 3\0 and more')
    await writeFile(join(folder, 'b.jsonl'), logOf('beside', 3))
    const { sent, failed } = await follow(folder)
    await expect.poll(() => sent.length, { timeout: 20_000 }).toBe(1)
    await appendFile(
      join(folder, 'b.jsonl'),
      logOf('beside', 4).subarray(logOf('beside', 3).length),
    )
    await expect.poll(() => sent.length, { timeout: 20_000 }).toBe(2)
    expect(failed).toEqual([expect.stringContaining('SQLite')])
  })

  test('ends with the reason when the token is refused', async () => {
    const { folder, file } = await folderOf('a.jsonl')
    await writeFile(file, logOf('refused', 3))
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0)
    onTestFinished(() => void vi.restoreAllMocks())
    const args = [
      'watch',
      folder,
      '--url',
      `${server.url}/up`,
      '--once',
      '--state',
      `${file}.state`,
    ]
    expect(await runCli([...args, '--token', 'nobody'])).toBe(1)
    expect(written.join('')).toContain('session-db:')
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    expect(await runCli([...args, '--token', 'ada'])).toBe(0)
    expect(await sessionsOf('refused')).toHaveLength(1)
  })
})
