import {
  createHttpWriteAdapter,
  createOutbox,
  createPersistence,
  createSessionCollections,
} from '../../../src/index.ts'

// A page that keeps its rows, bundled by the test. The user is the one in the address.

const userId = new URLSearchParams(location.search).get('user') ?? 'ann'
const identity = { tenantId: 't1', userId }
const outbox = createOutbox({ identity })
const persistence = createPersistence({ identity })
const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: createHttpWriteAdapter({ url: '/api/write' }),
  identity,
  outbox,
  persistence,
})
const { messages } = db.session('s1')
db.sessions.subscribeChanges(() => {}, { includeInitialState: true })
messages.subscribeChanges(() => {}, { includeInitialState: true })

Object.assign(window, {
  testPage: {
    append: (content: string) => {
      db.actions.appendMessage({ threadId: 'th1', sessionId: 's1', role: 'user', content })
    },
    signOut: () => db.signOut(),
    async state() {
      return {
        titles: db.sessions.toArray.map(({ title }) => title).sort(),
        shown: messages.toArray.map(({ content }) => content).sort(),
        isUpToDate: [db.sessions, messages].every((one) => db.status(one).get().isUpToDate),
        waiting: outbox.status.get().waiting,
      }
    },
    /** Returns the number of responses on the device. */
    stored: () =>
      new Promise((resolve) => {
        const opening = indexedDB.open('session-db-rows')
        opening.onsuccess = () => {
          const count = opening.result.transaction('chunks').objectStore('chunks').count()
          count.onsuccess = () => {
            opening.result.close()
            resolve(count.result)
          }
        }
      }),
  },
})
