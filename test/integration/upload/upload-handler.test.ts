import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createSessionCollections,
  fetchEvent,
  type SessionCollectionsOptions,
  type UploadProgress,
  uploadSession,
} from '../../../src/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { createUploadHandler } from '../../../src/server/uploads/handler/upload-handler.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'
import { ada, bob, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { codexLog } from './log-file.ts'

const users: Record<string, Principal> = { ada, bob }

let fixture: StoreFixture
let server: Served
/** Replaces the responses to the next requests. */
const mishaps: ((request: Request) => Promise<Response | undefined>)[] = []

beforeAll(async () => {
  fixture = await startStore({ uploads: { maxBytes: 20_000_000 } })
  const handle = createUploadHandler({
    store: fixture.store,
    authenticate: (request) => users[request.headers.get('authorization') ?? ''],
    basePath: '/up',
  })
  server = await serve(async (request) => (await mishaps.shift()?.(request)) ?? handle(request))
})

afterAll(async () => {
  await server.close()
  await fixture.close()
})

const url = (path = '') => `${server.url}/up${path}`
const as = (user: string, more: Record<string, string> = {}) => ({ authorization: user, ...more })

function openDb(user: string, more: Partial<SessionCollectionsOptions> = {}) {
  const errors: string[] = []
  const db = createSessionCollections({
    electricUrl: `${server.url}/shapes`,
    writeAdapter: () => Promise.reject(new Error('not used')),
    uploadUrl: url(),
    headers: as(user),
    onError: ({ code }) => errors.push(code),
    ...more,
  })
  onTestFinished(() => db.cleanup())
  return { db, errors }
}

const plain = (init?: RequestInit) => Object.fromEntries(new Headers(init?.headers))
const fileOf = (bytes: Buffer, name = 'run.jsonl') => new File([new Uint8Array(bytes)], name)

describe('uploadSession', () => {
  test('uploads in parts, reports each, and ends with a ready session', async () => {
    const bytes = codexLog(2_000)
    const progress: UploadProgress[] = []
    const { id, uploaded } = uploadSession(openDb('ada').db, {
      file: fileOf(bytes, 'ein Läufer.jsonl'),
      visibility: 'tenant',
      partBytes: 100_000,
      onProgress: (now) => progress.push(now),
    })
    expect(await uploaded).toEqual({ status: 'ready' })
    expect(progress.map(({ uploadedBytes }) => uploadedBytes)).toEqual([
      0,
      ...Array.from({ length: Math.ceil(bytes.length / 100_000) }, (_, n) =>
        Math.min((n + 1) * 100_000, bytes.length),
      ),
    ])
    const state = await fixture.store.uploadState(bob, id)
    expect(state).toMatchObject({ eventCount: 2_000, receivedBytes: bytes.length })
    const content = await fetch(url(`/${id}/content`), { headers: as('bob') })
    expect(content.headers.get('content-disposition')).toBe(
      "attachment; filename*=UTF-8''ein%20L%C3%A4ufer.jsonl",
    )
    expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true)
  })

  test('resumes after broken connections and failing servers', async () => {
    const bytes = codexLog(2_000)
    const retries: number[] = []
    const fetchClient: typeof fetch = async (input, init) => {
      const nth = requests++
      if (nth === 0 || nth === 4) throw new TypeError('fetch failed')
      const response = await fetch(input, init)
      // The server has the part, and its answer is lost.
      if (nth === 3) throw new TypeError('fetch failed')
      if (nth === 6) return new Response('Bad gateway', { status: 502 })
      return response
    }
    let requests = 0
    const { id, uploaded } = uploadSession(openDb('ada', { fetchClient }).db, {
      file: fileOf(bytes),
      partBytes: 90_000,
      onProgress: ({ retrying, uploadedBytes }) => retrying && retries.push(uploadedBytes),
    })
    expect(await uploaded).toEqual({ status: 'ready' })
    expect(retries).toHaveLength(4)
    expect(await fixture.store.uploadState(ada, id)).toMatchObject({ eventCount: 2_000 })
  })

  test('renews an expired sign-in once for all uploads and writes', async () => {
    const bytes = codexLog(2_000)
    let token = 'ada'
    let parts = 0
    const refresh = vi.fn(async () => ({ authorization: token }))
    const isOld = (init?: RequestInit) => new Headers(init?.headers).get('authorization') !== token
    const unauthenticated = { error: { code: 'unauthenticated' as const, message: 'no' } }
    const { db, errors } = openDb('ada', {
      onUnauthenticated: refresh,
      writeAdapter: async (_batch, options) =>
        options?.headers?.authorization === token
          ? { error: { code: 'forbidden', message: 'heard' } }
          : unauthenticated,
      fetchClient: async (input, init) => {
        if (init?.method === 'PATCH' && ++parts === 3) token = 'ada-anew'
        if (isOld(init)) return Response.json(unauthenticated, { status: 401 })
        return fetch(input, { ...init, headers: { ...plain(init), authorization: 'ada' } })
      },
    })
    const file = fileOf(bytes)
    const uploads = [1, 2].map(() => uploadSession(db, { file, partBytes: 60_000 }))
    const statuses = await Promise.all(uploads.map(({ uploaded }) => uploaded))
    expect(statuses).toEqual([{ status: 'ready' }, { status: 'ready' }])
    const written = db.actions.createSession({ title: 'x', source: 'upload', format: 'codex' })
    await expect(written.committed).rejects.toMatchObject({ code: 'forbidden' })
    expect(refresh).toHaveBeenCalledOnce()
    for (const { id } of uploads) {
      expect(await fixture.store.uploadState(ada, id)).toMatchObject({ eventCount: 2_000 })
    }
    expect(errors).toEqual(['forbidden'])
  })

  test('resumes in another page that has the id', async () => {
    const bytes = codexLog(2_000)
    const { sessionId } = await fixture.store.createSession(ada, {
      id: 'resumed',
      title: 'run.jsonl',
      originalName: 'run.jsonl',
      totalBytes: bytes.length,
    })
    await fixture.store.uploadContent(ada, sessionId, [bytes.subarray(0, 50_000)] as never)
    const seen: number[] = []
    const { uploaded } = uploadSession(openDb('ada').db, {
      id: sessionId,
      file: fileOf(bytes),
      onProgress: ({ uploadedBytes }) => seen.push(uploadedBytes),
    })
    expect(await uploaded).toEqual({ status: 'ready' })
    expect(seen).toEqual([50_000, bytes.length])
  })

  test('aborts, and the server deletes the session', async () => {
    const opened = openDb('ada')
    const upload = uploadSession(opened.db, {
      file: fileOf(codexLog(2_000)),
      partBytes: 50_000,
      onProgress: ({ uploadedBytes }) => uploadedBytes > 0 && resolve(),
    })
    let resolve = () => {}
    await new Promise<void>((done) => {
      resolve = done
    })
    await upload.abort()
    await expect(upload.uploaded).rejects.toMatchObject({ code: 'conflict' })
    expect(opened.errors).toEqual([])
    await expect(fixture.store.uploadState(ada, upload.id)).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('reports a permanent error once and stops retrying', async () => {
    const opened = openDb('ada')
    const large = uploadSession(opened.db, { file: fileOf(Buffer.alloc(20_000_001)) })
    await expect(large.uploaded).rejects.toMatchObject({ code: 'too_large' })
    const nobody = openDb('nobody')
    const refused = uploadSession(nobody.db, { file: fileOf(codexLog(2)) })
    await expect(refused.uploaded).rejects.toMatchObject({ code: 'unauthenticated' })
    expect([...opened.errors, ...nobody.errors]).toEqual(['too_large', 'unauthenticated'])
    const elsewhere = openDb('ada', { uploadUrl: `${server.url}/nowhere` })
    const lost = uploadSession(elsewhere.db, { file: fileOf(codexLog(2)) })
    await expect(lost.uploaded).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('the route', () => {
  test('serves a tus client, including a broken connection', async () => {
    const bytes = codexLog(3_000)
    let parts = 0
    const location = await new Promise<string | null>((resolve, reject) => {
      const upload = new Upload(bytes, {
        endpoint: url(),
        headers: as('ada'),
        metadata: { filename: 'by-tus.jsonl' },
        chunkSize: 200_000,
        retryDelays: [0, 0, 0],
        onChunkComplete: () => {
          parts += 1
          if (parts !== 1) return
          mishaps.push(async (request) => {
            await request.body?.cancel()
            return new Response(null, { status: 503 })
          })
        },
        onSuccess: () => resolve(upload.url),
        onError: reject,
      })
      upload.start()
    })
    const state = await fetch(location ?? '', { headers: as('ada') })
    expect(await state.json()).toMatchObject({ status: 'ready', eventCount: 3_000 })
  })

  test('returns ranges of a content, and 304 for a cached one', async () => {
    const bytes = codexLog(100)
    const { id, uploaded } = uploadSession(openDb('ada').db, { file: fileOf(bytes) })
    await uploaded
    const ask = (headers: Record<string, string>) =>
      fetch(url(`/${id}/content`), { headers: as('ada', headers) })
    const part = await ask({ range: 'bytes=10-19' })
    expect(part.status).toBe(206)
    expect(part.headers.get('content-range')).toBe(`bytes 10-19/${bytes.length}`)
    expect(await part.text()).toBe(bytes.subarray(10, 20).toString())
    const end = await ask({ range: 'bytes=-5' })
    expect(await end.text()).toBe(bytes.subarray(-5).toString())
    expect((await ask({ range: `bytes=${bytes.length}-` })).status).toBe(416)
    const etag = part.headers.get('etag') ?? ''
    expect((await ask({ 'if-none-match': etag })).status).toBe(304)
    const shared = await fetch(url(`/${id}/content`), { headers: as('bob') })
    expect(shared.status).toBe(404)
  })

  test('returns an event whole, to those who may see its session', async () => {
    const long = `start ${'word '.repeat(2_000)}end`
    const { db } = openDb('ada')
    const { id, uploaded } = uploadSession(db, { file: fileOf(codexLog(3, long)) })
    await uploaded
    const event = await fetchEvent(db, id, 1)
    expect(event).toMatchObject({ sessionId: id, seq: 1, role: 'user', text: `${long} number 0` })
    expect(event.occurredAt).toEqual(new Date('2026-01-01T00:00:01Z'))
    expect(event.raw).toContain('response_item')
    const missing = { code: 'not_found' }
    await expect(fetchEvent(db, id, 99)).rejects.toMatchObject(missing)
    await expect(fetchEvent(openDb('bob').db, id, 1)).rejects.toMatchObject(missing)
    const response = await fetch(url(`/${id}/events/1`), { headers: as('ada') })
    expect(response.headers.get('cache-control')).toBe('no-store')
    const answers = [
      fetch(url(`/${id}/events/-1`), { headers: as('ada') }),
      fetch(url(`/${id}/events/9999999999`), { headers: as('ada') }),
      fetch(url(`/${id}/events/1`), { headers: as('ada'), method: 'DELETE' }),
      fetch(url(`/${id}/events/1`), { headers: as('nobody') }),
    ]
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(statuses).toEqual([404, 400, 405, 401])
  })

  test.each([
    ['nobody', 401, { method: 'POST', headers: { 'upload-length': '1' } }],
    ['ada', 400, { method: 'POST' }],
    [
      'ada',
      400,
      { method: 'POST', headers: { 'upload-length': '1', 'upload-metadata': 'session %' } },
    ],
    ['ada', 413, { method: 'POST', headers: { 'upload-length': '999999999' } }],
    [
      'ada',
      403,
      { method: 'POST', headers: { 'upload-length': '1', 'sec-fetch-site': 'cross-site' } },
    ],
    ['ada', 405, { method: 'PUT' }],
  ])('refuses a bad request of %s with %i', async (user, status, init) => {
    const headers = as(user, 'headers' in init ? init.headers : {})
    const response = await fetch(url(), { ...init, headers })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code: expect.any(String) } })
  })
})
