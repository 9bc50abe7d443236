import {
  createHttpWriteAdapter,
  createSessionCollections,
  type RowCollection,
} from '../../../src/index.ts'

// A page with four live collections, bundled by the test. ?share=off gives each its own connection;
// ?keep= is the gcTime of unused collections in ms.

const query = new URLSearchParams(location.search)
const share = query.get('share') !== 'off'
const state = { batches: 0, signedOut: false }

const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: createHttpWriteAdapter({ url: '/api/write' }),
  shareLiveConnections: share,
  gcTime: Number(query.get('keep') ?? 300_000),
  fetchClient: (input, init) => {
    if (String(input).endsWith('/_live')) state.batches += 1
    return fetch(input, init)
  },
  onSignedOut: () => {
    state.signedOut = true
  },
})
const { timeline, threads, messages } = db.session(query.get('session') ?? 's0')
const collections = { sessions: db.sessions, timeline, threads, messages }
for (const collection of Object.values(collections) as unknown as RowCollection<object>[]) {
  collection.subscribeChanges(() => {}, { includeInitialState: true })
}

Object.assign(window, {
  testPage: {
    state,
    signOut: () => db.signOut(),
    /** Opens another session and leaves it; resolves when its collections are cleaned up. */
    async visit(sessionId: string) {
      const visited = Object.values(db.session(sessionId)) as unknown as RowCollection<object>[]
      const looks = visited.map((each) => each.subscribeChanges(() => {}))
      await Promise.all(visited.map((each) => each.preload()))
      for (const look of looks) look.unsubscribe()
      while (visited.some(({ status }) => status !== 'cleaned-up')) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    rename: (title: string) => db.actions.updateSession('s0', { title }).committed,
    /** Returns the rows and the sync status of each collection. */
    shown: () => ({
      title: db.sessions.get('s0')?.title ?? null,
      messages: messages.toArray.map(({ content }) => content).sort(),
      rows: Object.values(collections).reduce((sum, { size }) => sum + size, 0),
      live: Object.values(collections).filter(
        (collection) => db.status(collection).get().connection === 'live',
      ).length,
    }),
  },
})
