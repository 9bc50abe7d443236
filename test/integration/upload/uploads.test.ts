import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ada,
  bob,
  insertEvent,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from '../server/store-fixture.ts'
import { collect } from './content-contract.ts'
import { codexLog, streamOf } from './log-file.ts'

let fixture: StoreFixture
let store: StoreFixture['store']

beforeAll(async () => {
  fixture = await startStore({
    uploads: { maxBytes: 4_000_000, deriveAtOnceBytes: 2_000_000 },
  })
  store = fixture.store
})

afterAll(() => fixture.close())

const newSession = (more: object = {}) => ({
  id: randomUUID(),
  title: 'run.jsonl',
  originalName: 'run.jsonl',
  ...more,
})

async function upload(bytes: Buffer, principal = ada, more: object = {}): Promise<string> {
  const { sessionId } = await store.createSession(principal, newSession(more))
  await store.uploadContent(principal, sessionId, streamOf(bytes))
  return sessionId
}

async function sessionRow(id: string) {
  const [row] = await fixture.rows('SELECT * FROM sessions WHERE id = $1', [id])
  return row as Record<string, unknown>
}

const eventsOf = (id: string) =>
  fixture.rows(
    'SELECT id, seq, title, text, derived_by, xmin::text FROM timeline_events WHERE session_id = $1 ORDER BY seq',
    [id],
  )

const contentCount = async () =>
  (await fixture.rows<{ n: number }>('SELECT count(*)::int AS n FROM session_contents'))[0]?.n

describe('an upload', () => {
  test('of a small log ends with a ready session and its timeline', async () => {
    const bytes = codexLog(300)
    const { sessionId, status } = await store.createSession(ada, newSession())
    expect(status).toBe('pending')
    const state = await store.uploadContent(ada, sessionId, streamOf(bytes))
    expect(state).toMatchObject({
      status: 'ready',
      statusReason: null,
      receivedBytes: bytes.length,
      totalBytes: bytes.length,
      eventCount: 300,
    })
    expect(await sessionRow(sessionId)).toMatchObject({
      title: 'word number 0',
      format: 'codex',
      workspace_root: '/home/ada/app',
      progress: null,
      content_ref: expect.stringMatching(/^pg:[0-9a-f]{64}$/),
    })
    expect(await eventsOf(sessionId)).toHaveLength(300)
    const content = await store.openContent(ada, sessionId)
    expect((await collect(content.body)).equals(bytes)).toBe(true)
  })

  test('keeps a chosen title', async () => {
    const chosen = await upload(codexLog(5), ada, { title: 'Chosen' })
    expect(await sessionRow(chosen)).toMatchObject({ title: 'Chosen' })
  })

  test('resumes after a broken connection', async () => {
    const bytes = codexLog(20_000).subarray(0, 3_000_000)
    const session = newSession({ totalBytes: bytes.length })
    const { sessionId } = await store.createSession(ada, session)
    const broken = store.uploadContent(ada, sessionId, streamOf(bytes, 2_500_000), { offset: 0 })
    await expect(broken).rejects.toThrow('The connection broke')
    const again = await store.createSession(ada, session)
    expect(again.receivedBytes).toBeGreaterThan(2_200_000)
    const wrong = store.uploadContent(ada, sessionId, streamOf(bytes), { offset: 7 })
    expect(await refusalOf(wrong)).toMatchObject({
      code: 'conflict',
      details: { receivedBytes: again.receivedBytes },
    })
    const offset = again.receivedBytes
    const state = await store.uploadContent(ada, sessionId, streamOf(bytes.subarray(offset)), {
      offset,
    })
    expect(state).toMatchObject({ status: 'pending', receivedBytes: bytes.length })
    const worker = store.startWorker({ pollMs: 20 })
    await expect
      .poll(() => store.uploadState(ada, sessionId), { timeout: 30_000 })
      .toMatchObject({ status: 'ready' })
    await worker.stop()
    const content = await store.openContent(ada, sessionId)
    expect((await collect(content.body)).equals(bytes)).toBe(true)
  })

  test('of too many bytes fails with a reason, keeps nothing, and can be retried', async () => {
    const { sessionId } = await store.createSession(ada, newSession())
    const before = await contentCount()
    const large = store.uploadContent(ada, sessionId, streamOf(codexLog(40_000)))
    expect(await refusalOf(large)).toMatchObject({ code: 'too_large' })
    expect(await store.uploadState(ada, sessionId)).toMatchObject({
      status: 'failed',
      statusReason: 'The file is larger than the 3 MiB allowed. Upload a smaller one.',
    })
    expect(await contentCount()).toBe((before ?? 0) - 1)
    const state = await store.uploadContent(ada, sessionId, streamOf(codexLog(10)))
    expect(state).toMatchObject({ status: 'ready', statusReason: null, eventCount: 10 })
    const announced = store.createSession(ada, newSession({ totalBytes: 5_000_000 }))
    expect(await refusalOf(announced)).toMatchObject({ code: 'too_large' })
  })

  test('stores equal content once per tenant, until its last session is deleted', async () => {
    const bytes = codexLog(50, randomUUID())
    const before = await contentCount()
    const one = await upload(bytes)
    const two = await upload(bytes, bob)
    expect(await contentCount()).toBe((before ?? 0) + 1)
    const theirs = await upload(bytes, stranger)
    expect(await contentCount()).toBe((before ?? 0) + 2)
    await fixture.write(ada, { collection: 'sessions', type: 'delete', id: one })
    expect((await collect((await store.openContent(bob, two)).body)).equals(bytes)).toBe(true)
    await fixture.write(bob, { collection: 'sessions', type: 'delete', id: two })
    expect(await contentCount()).toBe((before ?? 0) + 1)
    expect((await collect((await store.openContent(stranger, theirs)).body)).equals(bytes)).toBe(
      true,
    )
  })

  test('leaves nothing when it is aborted', async () => {
    const before = await contentCount()
    const { sessionId } = await store.createSession(ada, newSession({ totalBytes: 1_000 }))
    await store.uploadContent(ada, sessionId, streamOf(Buffer.alloc(10)), { offset: 0 })
    await store.abortUpload(ada, sessionId)
    expect(await contentCount()).toBe(before)
    expect(await refusalOf(store.uploadState(ada, sessionId))).toMatchObject({ code: 'not_found' })
  })
})

describe('access', () => {
  test('lets a colleague read a shared session and its content, and change neither', async () => {
    const id = await upload(codexLog(3), ada, { visibility: 'tenant' })
    expect(await store.uploadState(bob, id)).toMatchObject({ status: 'ready' })
    expect((await store.openContent(bob, id)).totalBytes).toBe(codexLog(3).length)
    expect(await refusalOf(store.deriveAgain(bob, id))).toMatchObject({ code: 'forbidden' })
    const { sessionId } = await store.createSession(ada, newSession({ visibility: 'tenant' }))
    const theirs = store.uploadContent(bob, sessionId, streamOf(codexLog(3)))
    expect(await refusalOf(theirs)).toMatchObject({ code: 'forbidden' })
  })

  test('answers a stranger the same for an existing session and a missing one', async () => {
    const id = await upload(codexLog(3), ada, { visibility: 'tenant' })
    for (const ask of [
      (session: string) => store.uploadState(stranger, session),
      (session: string) => store.uploadContent(stranger, session, streamOf(codexLog(1))),
      (session: string) => store.openContent(stranger, session),
      (session: string) => store.abortUpload(stranger, session),
      (session: string) => store.deriveAgain(stranger, session),
    ]) {
      const there = await refusalOf(ask(id))
      expect(there).toEqual(await refusalOf(ask('nowhere')))
      expect(there.code).toBe('not_found')
    }
    // In the stranger's own tenant the id is free.
    const own = await store.createSession(stranger, newSession({ id }))
    expect(own).toMatchObject({ status: 'pending', receivedBytes: 0 })
  })
})

describe('deriving again', () => {
  const derived = async (id: string) => {
    await store.deriveAgain(ada, id)
    const worker = store.startWorker({ pollMs: 20 })
    const done = `SELECT state FROM session_uploads WHERE session_id = '${id}'`
    await expect.poll(() => fixture.rows(done), { timeout: 30_000 }).toEqual([{ state: 'done' }])
    await worker.stop()
  }

  test('changes nothing', async () => {
    const id = await upload(codexLog(1_500))
    const before = await eventsOf(id)
    await derived(id)
    expect(await eventsOf(id)).toEqual(before)
  })

  test('replaces derived events and keeps those the app wrote or changed', async () => {
    const id = await upload(codexLog(20))
    await fixture.write(ada, insertEvent(id, 20, { title: 'a note' }))
    await fixture.write(ada, {
      collection: 'timelineEvents',
      type: 'update',
      id: `${id}:3`,
      changes: { title: 'annotated' },
    })
    const before = await eventsOf(id)
    // As if an earlier parser had made more events, and others.
    await fixture.rows(`UPDATE timeline_events SET text = 'worse', derived_by = 'old'
      WHERE session_id = '${id}' AND seq IN (5, 6)`)
    await fixture.rows(`INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, derived_by)
      VALUES ('acme', '${id}:21', '${id}', 21, 'other', 'old')`)
    await derived(id)
    const withoutXmin = (rows: object[]) => rows.map((row) => ({ ...row, xmin: null }))
    expect(withoutXmin(await eventsOf(id))).toEqual(withoutXmin(before))
    expect(before.map(({ title }) => title)).toContain('annotated')
    expect(await store.uploadState(ada, id)).toMatchObject({ eventCount: 21, status: 'ready' })
  })
})
