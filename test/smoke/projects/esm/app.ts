import assert from 'node:assert/strict'
import {
  type ChatMessage,
  createSessionCollections,
  type SessionCollectionsOptions,
  SessionDbError,
} from '@org/session-db'
import { type DevStackOptions, startDevStack } from '@org/session-db/dev'
import { createMetrics } from '@org/session-db/metrics'
import { createS3ContentStore } from '@org/session-db/s3'
import {
  createSessionStore,
  createShapeProxy,
  migrate,
  type Principal,
  runWrite,
} from '@org/session-db/server'
import { createMemoryWriteAdapter, createShapeMock } from '@org/session-db/testing'
import { legacySnapshotGuard } from '@org/session-db/vite'
import { serveShapes } from '../shared/serve-shapes.mts'

// A write travels from a collection through the store into a real Postgres, and back by the stream.
const dataDir = process.argv[2]
const devOptions: DevStackOptions = dataDir === undefined ? {} : { directory: dataDir }
const stack = await startDevStack(devOptions)
await migrate({ database: stack.databaseUrl })
const ann: Principal = { tenantId: 'acme', userId: 'ann' }
const store = createSessionStore({ database: stack.databaseUrl })
const proxy = createShapeProxy({ electricUrl: stack.electricUrl, authenticate: () => ann })
const shapes = await serveShapes(proxy)

const options: SessionCollectionsOptions = {
  electricUrl: shapes.electricUrl,
  writeAdapter: (batch) => runWrite(store, ann, batch),
  identity: ann,
}
const db = createSessionCollections(options)
await db.sessions.preload()
const session = db.actions.createSession({ title: 'Smoke' })
await session.committed
const { messages } = db.session(session.id)
await messages.preload()
const thread = db.actions.createThread({ sessionId: session.id, mode: 'session', title: 'Chat' })
const place = { threadId: thread.id, sessionId: session.id }
const message = db.actions.appendMessage({ ...place, role: 'user', content: 'Hello' })
await message.committed
const row: ChatMessage | undefined = messages.get(message.id)
assert.equal(row?.content, 'Hello')
assert.equal(row.position, 1)
await assert.rejects(
  db.actions.renameThread('nobody', 'x').committed,
  (error) => error instanceof SessionDbError && error.code === 'not_found',
)
await db.cleanup()
await store.close()
shapes.close()
await stack.stop()

const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes', principal: ann })
const adapter = createMemoryWriteAdapter(mock, { principal: ann })
const value = { id: 's1', title: 'In memory' }
await adapter({ id: 'b1', mutations: [{ collection: 'sessions', type: 'insert', value }] })
assert.equal(mock.rows('sessions')[0]?.title, 'In memory')
assert.equal(legacySnapshotGuard().name.length > 0, true)
assert.equal(typeof createS3ContentStore, 'function')
assert.equal(typeof createMetrics, 'function')
console.log('ok')
process.exit()
