// The steps of docs/cutover.md in order, with the packed package.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { createSessionCollections, type WriteAdapter } from '@org/session-db'
import { startDevStack } from '@org/session-db/dev'
import {
  createLegacyStores,
  createSessionStore,
  createShapeProxy,
  exportSessionUploads,
  type Principal,
  runWrite,
} from '@org/session-db/server'
import { Pool } from 'pg'
import { build } from 'vite'
import { serveShapes } from '../shared/serve-shapes.mts'

// The old app's files, and its uploads.
const createdAt = '2025-12-01T12:00:00.000Z'
const place = { sessionId: 'u1', mode: 'session' }
const thread = { id: 't1', ...place, title: 'T', status: 'active', createdAt, updatedAt: createdAt }
const old = { id: 'm1', ...place, threadId: 't1', role: 'user', content: 'What now?', createdAt }
await mkdir('data', { recursive: true })
await writeFile('data/chat-threads.json', JSON.stringify([thread]))
await writeFile('data/chat-messages.json', JSON.stringify([old]))
const uploads = [{ id: 'u1', originalName: 'a.jsonl', content: '{"type":"x"}\n' }]
for await (const { sha256 } of exportSessionUploads(uploads, { directory: 'data' })) assert(sha256)

// Import and verify.
const dataDir = process.argv[2]
const stack = await startDevStack(dataDir === undefined ? {} : { directory: dataDir })
const cli = async (...args: string[]) => {
  const env = { ...process.env, DATABASE_URL: stack.databaseUrl }
  const program = 'node_modules/@org/session-db/dist/cli.js'
  return (await promisify(execFile)(process.execPath, [program, ...args], { env })).stdout
}
const importing = ['import', '--data', 'data', '--tenant', 'acme', '--user', 'ada']
await cli('migrate')
await cli(...importing, '--strict')
const report = JSON.parse(await cli(...importing, '--json'))
assert.deepEqual([report.ok, report.changed], [true, false])

// In two steps: the old functions over the database.
const principal: Principal = { tenantId: 'acme', userId: 'ada' }
const pool = new Pool({ connectionString: stack.databaseUrl })
const store = createSessionStore({ database: pool })
const { listChatThreads, appendChatMessage, saveSessionUpload } = createLegacyStores({
  store,
  principal,
})
const [{ id, sessionId } = { id: '', sessionId: '' }] = await listChatThreads('u1', 'session')
assert.equal(id, 't1')
await appendChatMessage({ sessionId, mode: 'session', role: 'user', content: 'Once more' })
assert(await saveSessionUpload('run.jsonl', '{"type":"x"}\n'))

// The stores after the switch.
const proxy = createShapeProxy({ electricUrl: stack.electricUrl, authenticate: () => principal })
const shapes = await serveShapes(proxy)
const { electricUrl } = shapes
const writeAdapter: WriteAdapter = (batch) => runWrite(store, principal, batch)
const [title, threadId, content, clientMessageId] = ['Renamed', id, 'And now?', 'client-1']

const sessionDb = createSessionCollections({ electricUrl, writeAdapter })
const { threads } = sessionDb.session(sessionId)
await threads.preload()
await sessionDb.actions.renameThread(id, title).committed

const { messages } = sessionDb.session(sessionId)
await messages.preload()
const message = { threadId, sessionId, role: 'user', content, clientMessageId } as const
await sessionDb.actions.appendMessage(message).committed

const [uploadId, name, path] = ['u2', 'b.jsonl', 'data/b.jsonl']
await writeFile(path, '{"type":"x"}\n')
await store.createSession(principal, { id: uploadId, title: name, originalName: name })
await store.uploadContent(principal, uploadId, createReadStream(path))

assert.equal(threads.get(id)?.title, 'Renamed')
const said = messages.toArray.sort((a, b) => Number(a.position) - Number(b.position))
assert.deepEqual(
  said.map((row) => row.content),
  ['What now?', 'Once more', 'And now?'],
)
await sessionDb.cleanup()
await pool.end()
shapes.close()
await stack.stop()

// The guard in the build and in CI.
const buildOf = (entry: string) =>
  build({ logLevel: 'silent', build: { ssr: entry, outDir: 'out' } })
await buildOf('src/new/store.js')
await assert.rejects(buildOf('src/old/store.js'), /src\/old\/store\.js:4/)
await assert.rejects(cli('check-legacy', 'src'), ({ stdout }) =>
  /src\/old\/store\.js:4/.test(stdout),
)
await cli('check-legacy', 'src/new')
console.log('ok')
process.exit()
