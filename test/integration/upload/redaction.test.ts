import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { readChunks } from '../../../src/server/uploads/content/chunks.ts'
import { createUploadHandler } from '../../../src/server/uploads/handler/upload-handler.ts'
import { findSecrets, ingestSessionLog } from '../../../src/server.ts'
import { serve } from '../../unit/proxy/serve.ts'
import {
  ada,
  insertEvent,
  insertSession,
  refusalOf,
  type StoreFixture,
  startStore,
} from '../server/store-fixture.ts'
import { streamOf } from './log-file.ts'

let fixture: StoreFixture
let store: StoreFixture['store']

beforeAll(async () => {
  fixture = await startStore({ redact: findSecrets })
  store = fixture.store
})

afterAll(() => fixture.close())

/** Made up; put together here so that scanners of this repository don't report them. */
const secrets = Array.from({ length: 2_000 }, (_, n) =>
  ['gh', `p_${String(n).padStart(6, '0')}AbCdEfGhIjKlMnOpQrStUvWxYz0123`].join(''),
)
const line = (text: string) =>
  JSON.stringify({
    type: 'response_item',
    payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  })
const log = Buffer.from(secrets.map((secret) => `${line(`the token is ${secret}`)}\n`).join(''))

/** Every text and every content that the database holds for a session. */
async function storedText(id: string): Promise<string> {
  const rows = await fixture.rows<{ row: string }>(
    `SELECT to_jsonb(s)::text AS row FROM sessions s WHERE id = $1
     UNION ALL SELECT to_jsonb(e)::text FROM timeline_events e WHERE session_id = $1`,
    [id],
  )
  const contents = await fixture.rows<{ tenant_id: string; id: string }>(
    `SELECT c.tenant_id, c.id FROM session_contents c, sessions s
     WHERE s.id = $1 AND (c.draft_of = s.id OR c.sha256 = s.content_sha256)`,
    [id],
  )
  const bytes: Uint8Array[] = []
  for (const content of contents) {
    const key = { tenantId: content.tenant_id, contentId: content.id }
    for await (const chunk of readChunks(fixture.pool, key)) bytes.push(chunk)
  }
  return rows.map(({ row }) => row).join('\n') + Buffer.concat(bytes).toString()
}

async function expectClean(id: string, count = secrets.length): Promise<void> {
  const text = await storedText(id)
  expect(text).not.toMatch(/ghp_/)
  expect(text).toContain('[redacted:github-token]')
  const [session] = await fixture.rows('SELECT redactions, status FROM sessions WHERE id = $1', [
    id,
  ])
  expect(session).toEqual({ redactions: { 'github-token': count }, status: 'ready' })
}

describe('a store that masks secrets', () => {
  test('masks them in an upload of one part, and keeps all sizes', async () => {
    const id = randomUUID()
    await store.createSession(ada, { id, title: 'log', originalName: 'log' })
    const state = await store.uploadContent(ada, id, streamOf(log))
    expect(state).toMatchObject({ receivedBytes: log.length, eventCount: secrets.length })
    await expectClean(id)
    const event = await store.readEvent(ada, id, 1_500)
    expect(event.text).toMatch(/^the token is \[redacted:github-token\]\*+$/)
  })

  test('masks them at every border of the parts of a resumed upload', async () => {
    const id = randomUUID()
    const insert = { id, title: 'log', originalName: 'log', totalBytes: log.length }
    let { receivedBytes } = await store.createSession(ada, insert)
    for (let size = 70_001; receivedBytes < log.length; size += 777) {
      const part = log.subarray(receivedBytes, receivedBytes + size)
      const breaks = size % 2 === 0 ? size - 100 : undefined
      const sent = store.uploadContent(ada, id, streamOf(part, breaks), { offset: receivedBytes })
      await sent.catch((error: Error) => expect(error.message).toBe('The connection broke'))
      ;({ receivedBytes } = await store.uploadState(ada, id))
      expect(await storedText(id)).not.toMatch(/ghp_\d/)
    }
    await expectClean(id)
  })

  test('lets a tus client send again what waits for the next part', async () => {
    const handle = createUploadHandler({ store, authenticate: () => ada, basePath: '/up' })
    const server = await serve(handle)
    onTestFinished(() => server.close())
    const url = await new Promise<string | null>((resolve, reject) => {
      const upload = new Upload(log, {
        endpoint: `${server.url}/up`,
        metadata: { filename: 'log' },
        chunkSize: 100_000,
        retryDelays: null as never,
        onSuccess: () => resolve(upload.url),
        onError: reject,
      })
      upload.start()
    })
    await expectClean(url?.split('/').at(-1) ?? '')
  })

  test('refuses what it can not mask', async () => {
    const id = randomUUID()
    const insert = { id, title: 'log', originalName: 'log', totalBytes: log.length }
    await store.createSession(ada, insert)
    const small = await refusalOf(store.uploadContent(ada, id, streamOf(log.subarray(0, 1_000))))
    expect(small).toMatchObject({ code: 'invalid' })
    expect(small.message).toContain('at least 64 KiB')
    const packed = randomUUID()
    await store.createSession(ada, { id: packed, title: 'log', originalName: 'log' })
    const refused = await refusalOf(store.uploadContent(ada, packed, streamOf(gzipSync(log))))
    expect(refused.message).toContain('Unpack the file')
  })

  test('masks them in events of the app, and counts each once', async () => {
    const secret = secrets[0] ?? ''
    await fixture.write(ada, insertSession('events'))
    const event = insertEvent('events', 0, {
      text: `uses ${secret}`,
      data: { env: { API_TOKEN: 'abc123def456' }, kept: 1 },
    })
    const batch = { id: randomUUID(), mutations: [event] }
    const first = await store.write(ada, batch)
    expect(await store.write(ada, batch)).toEqual(first)
    expect(await storedText('events')).not.toMatch(/ghp_|abc123def456/)
    const [session] = await fixture.rows("SELECT redactions FROM sessions WHERE id = 'events'")
    expect(session?.redactions).toEqual({ 'github-token': 1, 'assigned-secret': 1 })
  })

  test('masks them in a log that the server ingests, compressed or not', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'session-db-redact-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const path = join(directory, 'log.jsonl.gz')
    await writeFile(path, gzipSync(log))
    const { sessionId } = await ingestSessionLog(fixture.pool, ada, {
      path,
      originalName: 'log.jsonl.gz',
      redact: findSecrets,
    })
    await expectClean(sessionId)
  })
})
