import { setupServer } from 'msw/node'
import { createSessionCollections } from '../../../../src/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../../src/testing/index.ts'

const electricUrl = 'http://app.test/api/shapes'
const mock = createShapeMock({ electricUrl, tables: { sessions: [{ id: 's1' }] } })
const server = setupServer(...mock.handlers)
server.listen()
const writeAdapter = createMemoryWriteAdapter(mock)
const db = createSessionCollections({ electricUrl, writeAdapter })
await Promise.all([db.sessions.preload(), db.session('s1').threads.preload()])
await db.actions.updateSession('s1', { title: 'Twice up to date' }).committed
await db.cleanup()
mock.reset()
server.close()
console.log('cleaned up')
