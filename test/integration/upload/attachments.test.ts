import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertToModelMessages } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import {
  attachFile,
  createId,
  createSessionCollections,
  type WriteAdapter,
} from '../../../src/index.ts'
import { exportData, restoreExport } from '../../../src/legacy/index.ts'
import type { JsonValue, Principal } from '../../../src/schema/index.ts'
import { inlineAttachments } from '../../../src/server/index.ts'
import { sweep } from '../../../src/server/uploads/derivation/worker.ts'
import { createUploadHandler } from '../../../src/server/uploads/handler/upload-handler.ts'
import { migratedDatabase } from '../../support/database.ts'
import { query } from '../../support/query.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'
import { ada, bob, type StoreFixture, startStore, stranger } from '../server/store-fixture.ts'

const cat = { ...ada, userId: 'cat' }
const users: Record<string, Principal> = { ada, bob, cat, stranger }
const PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), randomBytes(700_000)])

let fixture: StoreFixture
let server: Served
/** Cuts the connection of these requests, by their number. */
let cut: (request: Request) => boolean = () => false

beforeAll(async () => {
  fixture = await startStore({
    requestLimits: false,
    uploads: { maxAttachmentBytes: 3_000_000, maxUnderWay: 5 },
  })
  const handle = createUploadHandler({
    store: fixture.store,
    authenticate: (request) => users[request.headers.get('authorization') ?? ''],
    basePath: '/up',
  })
  server = await serve(async (request) => {
    if (!cut(request)) return handle(request)
    await handle(request)
    return new Response('Bad gateway', { status: 502 })
  })
})
afterAll(async () => {
  await server.close()
  await fixture.close()
})

// Files that no message refers to are limited.
beforeEach(() => fixture.rows('DELETE FROM chat_attachments'))

/** A session of ada's, shared with bob as a viewer, with a thread. */
async function startThread() {
  const [sessionId, threadId] = [createId(), createId()]
  await fixture.write(
    ada,
    { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S' } },
    {
      collection: 'sessionGrants',
      type: 'insert',
      value: { id: createId(), sessionId, grantee: 'user:bob', role: 'viewer' },
    },
    {
      collection: 'chatThreads',
      type: 'insert',
      value: { id: threadId, sessionId, mode: 'session', title: 'T' },
    },
  )
  return { sessionId, threadId }
}

function openDb(
  user: string,
  writeAdapter: WriteAdapter = () => Promise.reject(new Error('not used')),
) {
  const db = createSessionCollections({
    electricUrl: `${server.url}/shapes`,
    writeAdapter,
    uploadUrl: `${server.url}/up`,
    headers: { authorization: user },
    onError: () => undefined,
  })
  onTestFinished(() => db.cleanup())
  return db
}

async function attach(threadId: string, bytes: Uint8Array, name = 'plan.png') {
  const id = createId()
  await fixture.store.createAttachment(ada, { id, threadId, totalBytes: bytes.length, name })
  await fixture.store.receiveAttachment(ada, id, [bytes])
  return id
}

const partOf = (id: string): JsonValue => ({
  type: 'file',
  mediaType: 'image/png',
  url: `/up/attachments/${id}`,
  providerMetadata: { sessionDb: { attachmentId: id } },
})

async function send(threadId: string, ...ids: string[]) {
  const id = createId()
  const value = { id, threadId, role: 'user', content: '', parts: ids.map(partOf) } as const
  await fixture.write(ada, { collection: 'chatMessages', type: 'insert', value })
  return id
}

const remove = (id: string) =>
  fixture.write(ada, { collection: 'chatMessages', type: 'delete', id })
const get = (id: string, user: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/up/attachments/${id}`, { headers: { authorization: user, ...headers } })
const left = async (...ids: string[]) => {
  const rows = await fixture.rows<{ id: string }>(
    'SELECT id FROM chat_attachments WHERE id = ANY ($1) ORDER BY id',
    [ids],
  )
  return rows.map(({ id }) => id)
}

test('a browser attaches a file over broken connections, and others of the session see it', async () => {
  const { threadId } = await startThread()
  let patches = 0
  cut = ({ method }) => method === 'PATCH' && ++patches % 2 === 0
  onTestFinished(() => {
    cut = () => false
  })
  const stored: number[] = []
  const file = new File([new Uint8Array(PNG)], 'Plan 1.png', { type: 'text/html' })
  const { id, uploaded } = attachFile(openDb('ada'), {
    threadId,
    file,
    partBytes: 200_000,
    onProgress: ({ uploadedBytes }) => stored.push(uploadedBytes),
  })
  const part = await uploaded
  expect(part).toEqual({
    type: 'file',
    mediaType: 'image/png',
    filename: 'Plan 1.png',
    url: `${server.url}/up/attachments/${id}`,
    providerMetadata: { sessionDb: { attachmentId: id } },
  })
  expect(stored.at(-1)).toBe(PNG.length)
  for (const user of ['ada', 'bob']) {
    const response = await get(id, user)
    expect(response.headers.get('content-type')).toBe('image/png')
    expect(response.headers.get('content-disposition')).toBe(
      "inline; filename*=UTF-8''Plan%201.png",
    )
    expect(Buffer.from(await response.arrayBuffer()).equals(PNG)).toBe(true)
  }
  const range = await get(id, 'bob', { range: 'bytes=300000-300009' })
  expect(range.status).toBe(206)
  expect(Buffer.from(await range.arrayBuffer()).equals(PNG.subarray(300_000, 300_010))).toBe(true)
})

test('docs/threads.md', async () => {
  const { threadId } = await startThread()
  const db = openDb('ada', (batch) => fixture.store.write(ada, batch))
  const file = new File([new Uint8Array(PNG)], 'plan.png')
  const part = await attachFile(db, { threadId, file }).uploaded
  const parts = [{ type: 'text', text: 'Look!' }, part]
  await db.actions.appendMessage({ threadId, role: 'user', content: 'Look!', parts }).committed
  const page = await fixture.store.readThread(ada, threadId)
  expect(page?.messages).toMatchObject([{ parts }])
  expect(await fixture.rows('SELECT attached FROM chat_attachments')).toEqual([{ attached: true }])
})

test('nobody reads an attachment without the session, and nobody but its writers attaches one', async () => {
  const { sessionId, threadId } = await startThread()
  const id = await attach(threadId, PNG)
  for (const user of ['cat', 'stranger']) {
    for (const method of ['GET', 'HEAD', 'PATCH', 'DELETE']) {
      const response = await fetch(`${server.url}/up/attachments/${id}`, {
        method,
        headers: {
          authorization: user,
          'content-type': 'application/offset+octet-stream',
          'upload-offset': '0',
        },
        ...(method === 'PATCH' && { body: 'x' }),
      })
      expect(response.status).toBe(404)
    }
  }
  expect((await get(id, 'nobody')).status).toBe(401)
  const other = { id: createId(), threadId, totalBytes: 1 }
  await expect(fixture.store.createAttachment(bob, other)).rejects.toMatchObject({
    code: 'forbidden',
  })
  for (const user of [cat, stranger]) {
    await expect(fixture.store.createAttachment(user, other)).rejects.toMatchObject({
      code: 'not_found',
    })
  }
  // A viewer neither changes nor deletes it, and can't take its id.
  await expect(fixture.store.deleteAttachment(bob, id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(
    fixture.store.createAttachment(ada, { ...other, id, totalBytes: 5 }),
  ).rejects.toMatchObject({ code: 'conflict' })
  // Whoever loses the session loses its files.
  const [grant] = await fixture.rows<{ id: string }>(
    'SELECT id FROM session_grants WHERE session_id = $1',
    [sessionId],
  )
  await fixture.write(ada, { collection: 'sessionGrants', type: 'delete', id: grant?.id ?? '' })
  expect((await get(id, 'bob')).status).toBe(404)
})

test.each([
  ['<!doctype html><script>alert(1)</script>', 'text/plain'],
  ['<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', 'text/plain'],
  ['%PDF-1.7 …', 'application/pdf'],
  ['\0\x01\x02', 'application/octet-stream'],
])('%j is downloaded as %s and never run as a page', async (text, type) => {
  const { threadId } = await startThread()
  const response = await get(await attach(threadId, Buffer.from(text), 'a.html'), 'ada')
  expect(response.headers.get('content-type')).toBe(type)
  expect(response.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''a.html")
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox")
})

test('limits the size of a file, and the files that no message refers to', async () => {
  const { threadId } = await startThread()
  const store = fixture.store
  const create = (totalBytes: number, user: Principal = ada) => {
    const id = createId()
    return store.createAttachment(user, { id, threadId, totalBytes }).then(() => id)
  }
  await expect(create(3_000_001)).rejects.toMatchObject({ code: 'too_large' })
  await expect(create(0)).rejects.toMatchObject({ code: 'invalid' })
  const id = await create(10)
  await expect(store.receiveAttachment(ada, id, [Buffer.alloc(11)])).rejects.toMatchObject({
    code: 'invalid',
  })
  expect(await store.receiveAttachment(ada, id, [Buffer.alloc(4)])).toMatchObject({
    receivedBytes: 4,
    mediaType: null,
  })
  await expect(
    store.receiveAttachment(ada, id, [Buffer.alloc(4)], { offset: 0 }),
  ).rejects.toMatchObject({ code: 'conflict', details: { receivedBytes: 4 } })
  await expect(store.openAttachment(ada, id)).rejects.toMatchObject({ code: 'not_found' })
  await store.deleteAttachment(ada, id)
  for (let n = 0; n < 5; n += 1) await create(1)
  await expect(create(1)).rejects.toMatchObject({ code: 'rate_limited' })
})

describe('an attachment is deleted', () => {
  test('with the last message that refers to it', async () => {
    const { threadId } = await startThread()
    const [one, two] = [await attach(threadId, PNG), await attach(threadId, PNG)]
    const [first, second] = [await send(threadId, one, two), await send(threadId, one)]
    await remove(first)
    expect(await left(one, two)).toEqual([one])
    const changes = { parts: [] }
    await fixture.write(ada, { collection: 'chatMessages', type: 'update', id: second, changes })
    expect(await left(one, two)).toEqual([])
    const [chunks] = await fixture.rows<{ n: number }>(
      'SELECT count(*)::int AS n FROM chat_attachment_chunks WHERE attachment_id = ANY ($1)',
      [[one, two]],
    )
    expect(chunks?.n).toBe(0)
  })

  test('with its thread and with its session, and kept for a copy of the thread', async () => {
    const { sessionId, threadId } = await startThread()
    const id = await attach(threadId, PNG)
    const messageId = await send(threadId, id)
    await fixture.store.forkThread(ada, { threadId, messageId })
    await fixture.write(ada, { collection: 'chatThreads', type: 'delete', id: threadId })
    expect(await left(id)).toEqual([id])
    await fixture.write(ada, { collection: 'sessions', type: 'delete', id: sessionId })
    expect(await left(id)).toEqual([])
    const other = await startThread()
    const sent = await attach(other.threadId, PNG)
    await send(other.threadId, sent)
    await fixture.write(ada, { collection: 'chatThreads', type: 'delete', id: other.threadId })
    expect(await left(sent)).toEqual([])
  })

  test('a day after its upload if no message refers to it', async () => {
    const { threadId } = await startThread()
    const [sent, unsent, fresh] = [
      await attach(threadId, PNG),
      await attach(threadId, PNG),
      await attach(threadId, PNG),
    ]
    await send(threadId, sent)
    await fixture.rows(
      `UPDATE chat_attachments SET created_at = now() - interval '25 hours' WHERE id = ANY ($1)`,
      [[sent, unsent]],
    )
    const context = { pool: fixture.pool, contents: {}, onError: console.error } as never
    await sweep(context, { abandonedAfterMs: 86_400_000 })
    expect(await left(sent, unsent, fresh)).toEqual([sent, fresh].sort())
    await fixture.store.deleteAttachment(ada, fresh)
    await expect(fixture.store.deleteAttachment(ada, sent)).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

test('models receive the bytes of attachments', async () => {
  const { threadId } = await startThread()
  const gone = await attach(threadId, PNG)
  const id = await attach(threadId, Buffer.from('%PDF-1.7'), 'a.pdf')
  await send(threadId, id, gone)
  await fixture.rows('DELETE FROM chat_attachments WHERE id = $1', [gone])
  const { store } = fixture
  const principal = ada
  const { messages = [] } = (await store.readThread(ada, threadId)) ?? {}
  const history = await inlineAttachments(store, principal, messages)
  const [message] = await toModelMessages(history, convertToModelMessages)
  const data = Buffer.from('%PDF-1.7').toString('base64')
  expect(message?.content).toMatchObject([{ type: 'file', mediaType: 'application/pdf' }])
  expect(JSON.stringify(message)).toContain(data)
})

test('an export has the files, and restoring it brings them back', async () => {
  const { sessionId, threadId } = await startThread()
  const [id, unfinished] = [await attach(threadId, PNG), createId()]
  await fixture.store.createAttachment(ada, { id: unfinished, threadId, totalBytes: 9 })
  await send(threadId, id)
  for (const scope of [{}, { userId: 'ada' }]) {
    const directory = join(await mkdtemp(join(tmpdir(), 'session-db-attachments-')), 'export')
    await exportData({ database: fixture.url, tenantId: 'acme', directory, ...scope })
    const target = await migratedDatabase()
    onTestFinished(() => target.drop())
    const report = await restoreExport({ database: target.url, tenantId: 'acme', directory })
    expect(report.ok).toBe(true)
    const rows = await query(
      target.url,
      `SELECT a.id, a.session_id, a.attached, sum(c.bytes)::int AS bytes FROM chat_attachments a
       JOIN chat_attachment_chunks c ON c.tenant_id = a.tenant_id AND c.attachment_id = a.id
       WHERE a.session_id = $1 GROUP BY 1, 2, 3`,
      [sessionId],
    )
    expect(rows).toEqual([{ id, session_id: sessionId, attached: true, bytes: PNG.length }])
  }
})
