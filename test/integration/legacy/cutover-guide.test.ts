import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'vite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import {
  createLegacyStores,
  exportSessionUploads,
  importSessionUploads,
} from '../../../src/legacy/index.ts'
import { createSessionStore, createShapeProxy } from '../../../src/server/index.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { useDatabase } from './legacy-fixture.ts'

// The examples of docs/cutover.md, verbatim.

const principal = { tenantId: 'acme', userId: 'ada' }
const database = useDatabase()
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-db-cutover-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('uploads are exported in the old process and imported', async () => {
  const upload = { id: 'u1', originalName: 'a.jsonl', content: '{"type":"x"}\n' }
  const sessionUploadsCollection = { toArray: [upload] }
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const before = process.cwd()
  process.chdir(directory)
  try {
    for await (const { id, bytes, sha256 } of exportSessionUploads(
      sessionUploadsCollection.toArray,
      {
        directory: 'data',
      },
    )) {
      log(`${id}: ${sha256 === null ? 'has no content' : `${bytes} bytes`}`)
    }
  } finally {
    process.chdir(before)
  }
  expect(lines).toEqual(['u1: 13 bytes'])
  const { pool } = database
  expect(
    await importSessionUploads({
      database: pool,
      directory: join(directory, 'data'),
      ...principal,
    }),
  ).toMatchObject({
    ok: true,
    inserted: 1,
  })
})

test('the old functions work over the database, then the collections', async () => {
  const { pool } = database
  const store = createSessionStore({ database: pool })
  const authenticate = async (_request: Request) => principal
  const request = new Request('http://app.test/')
  const { listChatThreads, appendChatMessage, saveSessionUpload } = createLegacyStores({
    store,
    principal: await authenticate(request),
  })
  const upload = await saveSessionUpload('run.jsonl', '{"type":"x"}\n')
  const sessionId = upload?.id ?? ''
  await appendChatMessage({ sessionId, mode: 'session', role: 'user', content: 'What now?' })
  const [thread] = await listChatThreads(sessionId, 'session')

  const shapes = await createShapeServer({ database: database.url })
  const app = await serve(
    createShapeProxy({ electricUrl: (await shapes.listen()).url, authenticate: () => principal }),
  )
  const electricUrl = `${app.url}/api/shapes`
  const writeAdapter = (batch: unknown) => store.write(principal, batch)
  const { id = '', title: before } = thread ?? {}
  const title = 'Renamed'
  expect(before).not.toBe(title)
  const sessionDb = createSessionCollections({ electricUrl, writeAdapter })
  const { threads } = sessionDb.session(sessionId)
  await threads.preload()
  await sessionDb.actions.renameThread(id, title).committed
  const [threadId, content, clientMessageId] = [id, 'And now?', 'client-1']
  const { messages } = sessionDb.session(sessionId)
  await messages.preload()
  const message = { threadId, sessionId, role: 'user', content, clientMessageId } as const
  await sessionDb.actions.appendMessage(message).committed

  const [uploadId, name, path] = ['u2', 'b.jsonl', join(directory, 'b.jsonl')]
  await writeFile(path, '{"type":"x"}\n')
  await store.createSession(principal, { id: uploadId, title: name, originalName: name })
  await store.uploadContent(principal, uploadId, createReadStream(path))
  try {
    expect(threads.get(id)).toMatchObject({ messageCount: 2 })
    expect(messages.toArray.map((row) => row.content).sort()).toEqual(['And now?', 'What now?'])
    const { rows } = await pool.query(`SELECT content_bytes::int FROM sessions WHERE id = 'u2'`)
    expect(rows).toEqual([{ content_bytes: 13 }])
    expect(threads.get(id)).toMatchObject({ title })
    expect(await listChatThreads(sessionId, 'session')).toMatchObject([{ id, title }])
  } finally {
    await sessionDb.cleanup()
    await app.close()
    await shapes.close()
  }
})

const viteConfig = `
import { defineConfig } from 'vite'
import { legacySnapshotGuard } from '@org/session-db/vite'

export default defineConfig({ plugins: [legacySnapshotGuard()] })
`

test('the guard fails the build of an app that installs it', async () => {
  const root = resolve(import.meta.dirname, '../../..')
  await mkdir(join(directory, 'node_modules/@org'), { recursive: true })
  await symlink(root, join(directory, 'node_modules/@org/session-db'))
  await symlink(join(root, 'node_modules/vite'), join(directory, 'node_modules/vite'))
  await writeFile(join(directory, 'vite.config.mjs'), viteConfig)
  const entry = join(directory, 'server.js')
  const buildIt = () =>
    build({ root: directory, logLevel: 'silent', build: { ssr: entry, outDir: 'out' } })
  await writeFile(entry, 'export const threads = []\n')
  await buildIt()
  await writeFile(
    entry,
    `import { join } from 'node:path'\nexport const threads = join('data', 'chat-threads.json')\n`,
  )
  await expect(buildIt()).rejects.toThrow(/server\.js:2/)
})
