import {
  createHttpWriteAdapter,
  createPersistence,
  createSessionCollections,
} from '../../src/index.ts'

// The page of the benchmark `reload`: the rows come from the device, or from the server.

const identity = { tenantId: 't1', userId: 'ann' }
const fromDisk = location.search === '?rows=disk'
const startedAt = performance.now()
const persistence = createPersistence({ identity })
const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: createHttpWriteAdapter({ url: '/api/write' }),
  identity,
  ...(fromDisk && { persistence }),
  // The browser's cache would answer for the server.
  fetchClient: (input, init) => fetch(input, { ...init, cache: 'no-store' }),
})
await db.sessions.preload()
Object.assign(window, { firstRowsMs: performance.now() - startedAt, rows: db.sessions.size })

const status = db.status(db.sessions)
while (!status.get().isUpToDate)
  await new Promise((done) => status.subscribe(() => done(undefined)))
// Received rows are stored after they are shown.
setTimeout(() => Object.assign(window, { isStored: true }), 300)
