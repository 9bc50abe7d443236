import { mountDevtools } from '../../../src/devtools.ts'
import {
  createHttpWriteAdapter,
  createOutbox,
  createSessionCollections,
} from '../../../src/index.ts'

// A page with the devtools, bundled by the test.

const identity = { tenantId: 't1', userId: 'ann' }
const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: createHttpWriteAdapter({ url: '/api/write' }),
  identity,
  outbox: createOutbox({ identity }),
})
db.sessions.subscribeChanges(() => {}, { includeInitialState: true })
db.session('s1').threads.subscribeChanges(() => {}, { includeInitialState: true })
Object.assign(window, { unmount: mountDevtools(db) })
