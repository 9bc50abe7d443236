import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client } from '@aws-sdk/client-s3'
import { createLiveQueryCollection } from '@tanstack/db'
import { expect, onTestFinished, test } from 'vitest'
import {
  createSessionCollections,
  fetchEvent,
  timelineQuery,
  timelineView,
  uploadSession,
  type WriteAdapter,
} from '../../../src/index.ts'
import { createS3ContentStore } from '../../../src/s3.ts'
import { createSessionStore, createUploadHandler, findSecrets } from '../../../src/server.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { startAppServer, USER_HEADER } from '../collections/app-server.ts'
import { openAs } from '../collections/open-as.ts'
import { codexLog } from './log-file.ts'

async function startGuideApp() {
  const app = await startAppServer()
  const principal = app.principal('acme/ada')
  const authenticate = () => principal
  const directory = await mkdtemp(join(tmpdir(), 'session-db-guide-'))
  const path = join(directory, 'run.jsonl')
  await writeFile(path, codexLog(2_500, 'shell "exit code" tsc'))
  onTestFinished(async () => {
    await app.close()
    await rm(directory, { recursive: true })
  })
  return { app, principal, authenticate, path, databaseUrl: app.databaseUrl }
}

test('runs the guide: upload a file, read its timeline', async () => {
  const { app, principal, authenticate, path, databaseUrl } = await startGuideApp()
  const shown: unknown[][] = []
  const show = (...what: unknown[]) => shown.push(what)

  const store = createSessionStore({ database: databaseUrl })
  const serveUploads = createUploadHandler({ store, authenticate, basePath: '/api/uploads' })
  const worker = store.startWorker()

  onTestFinished(() => store.close())
  onTestFinished(() => worker.stop())
  const server = await serve(serveUploads)
  onTestFinished(() => server.close())

  const uploadUrl = `${server.url}/api/uploads`
  const electricUrl = `${app.url}/api/shapes`
  const writeAdapter: WriteAdapter = () => Promise.reject(new Error('not used'))
  const file = new File([new Uint8Array(codexLog(10))], 'small.jsonl')
  {
    const db = createSessionCollections({ electricUrl, writeAdapter, uploadUrl })
    const upload = uploadSession(db, {
      file,
      visibility: 'tenant',
      onProgress: ({ uploadedBytes, totalBytes, retrying }) =>
        show(uploadedBytes, totalBytes, retrying),
    })
    const { status } = await upload.uploaded

    expect(status).toBe('ready')
    expect(shown.splice(0).at(-1)).toEqual([file.size, file.size, false])

    const again = uploadSession(db, { file, growing: true })
    const { sessionId = again.id } = await again.uploaded

    expect(sessionId).toBe(upload.id)
  }

  await store.createSession(principal, { id: 's1', title: 'run.jsonl', originalName: 'run.jsonl' })
  const state = await store.uploadContent(principal, 's1', createReadStream(path))

  expect(state).toMatchObject({ status: 'ready', eventCount: 2_500 })

  const content = await store.openContent(principal, 's1', { start: 0, end: 1_000 })
  for await (const bytes of content.body) show(bytes)

  expect(Buffer.concat(shown.splice(0).flat() as Buffer[])).toHaveLength(1_000)

  const { text, raw } = await store.readEvent(principal, 's1', 0)

  expect({ text, raw }).toEqual({ text: null, raw: expect.stringContaining('session_meta') })

  await store.deriveAgain(principal, 's1')

  const db = openAs(app, 'acme/ada', { headers: { [USER_HEADER]: 'acme/ada' }, uploadUrl })
  const whole = await fetchEvent(db, 's1', 0)

  expect(whole.raw).toBe(raw)

  const view = timelineView(db, 's1')
  await view.show(0, 200)
  const rows = createLiveQueryCollection((q) =>
    q.from({ event: view.events }).orderBy(({ event }) => event.seq),
  )

  await rows.preload()
  expect(rows.toArray.map(({ seq }) => seq)).toEqual([...Array(1_000).keys()])
  await view.show(2_300, 2_500)
  expect(rows.size).toBe(1_500)
  expect(rows.toArray.at(-1)?.seq).toBe(2_499)

  const failing = createLiveQueryCollection(
    timelineQuery(view.events, { kinds: ['tool_result'], tools: ['shell'], text: 'error' }),
  )

  await failing.preload()
  expect(failing.size).toBe(0)
  const byText = createLiveQueryCollection(
    timelineQuery(view.events, { roles: ['user'], kinds: ['message'], text: 'NUMBER 2490' }),
  )
  await byText.preload()
  expect(byText.toArray.map(({ text }) => text)).toEqual(['shell "exit code" tsc number 2490'])

  const outline = await store.outlineTimeline(principal, { sessionId: 's1', kinds: ['tool_call'] })
  for (const [first, end] of outline.ranges) await view.show(first, end)
  const { tools } = await store.timelineFacets(principal, 's1')

  expect({ outline, tools }).toEqual({ outline: { count: 0, ranges: [] }, tools: [] })

  const found = await store.search(principal, { query: '"exit code" tsc', kinds: ['tool_result'] })
  for (const { sessionId, source, id, snippet } of found.hits)
    show(sessionId, source, id, snippet.text)

  expect(shown).toEqual([])
  await view.close()
  expect(view.events.size).toBe(0)
})

test('bounds a view, keeps it live, and empties it on revocation', {
  timeout: 120_000,
}, async () => {
  const { app, principal, path, databaseUrl } = await startGuideApp()
  const store = createSessionStore({ database: databaseUrl })
  onTestFinished(() => store.close())
  await store.createSession(principal, { id: 's2', title: 'x', visibility: 'tenant' })
  await store.uploadContent(principal, 's2', createReadStream(path))
  const view = timelineView(openAs(app, 'acme/bob'), 's2', { windowSize: 100, maxWindows: 3 })
  for (let seq = 0; seq < 2_500; seq += 250) await view.show(seq, seq + 50)
  await expect.poll(() => view.events.size, { timeout: 30_000 }).toBe(300)
  await view.show(2_450, 2_500)
  await store.write(principal, {
    id: 'live',
    mutations: [
      {
        collection: 'timelineEvents',
        type: 'update',
        id: 's2:2499',
        changes: { title: 'changed' },
      },
    ],
  })
  await expect.poll(() => view.events.get('s2:2499')?.title, { timeout: 30_000 }).toBe('changed')
  await store.write(principal, {
    id: 'revoke',
    mutations: [
      { collection: 'sessions', type: 'update', id: 's2', changes: { visibility: 'private' } },
    ],
  })
  await expect.poll(() => view.events.size, { timeout: 30_000 }).toBe(0)
})

test('creates the stores of the guide', async () => {
  const databaseUrl = 'postgresql://nobody@127.0.0.1:1/none'

  const limited = createSessionStore({
    database: databaseUrl,
    uploads: { maxBytes: 100 * 1024 * 1024, deriveAtOnceBytes: 1024 * 1024 },
  })

  const inS3 = createSessionStore({
    database: databaseUrl,
    contents: createS3ContentStore({
      client: new S3Client({ region: 'eu-central-1' }),
      bucket: 'sessions',
    }),
  })

  const masking = createSessionStore({ database: databaseUrl, redact: findSecrets })

  await Promise.all([limited.close(), inS3.close(), masking.close()])
})
