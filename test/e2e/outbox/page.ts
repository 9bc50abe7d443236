import {
  createHttpWriteAdapter,
  createOutbox,
  createSessionCollections,
  type OutboxEntry,
} from '../../../src/index.ts'

// A page that writes through an outbox, bundled by the test. Each tab identifies itself in its writes.

const identity = { tenantId: 't1', userId: 'ann' }
const failed: string[] = []
const outbox = createOutbox({
  identity,
  onFailed: ({ failure }: OutboxEntry) => failed.push(failure?.code ?? ''),
})
const tab = crypto.randomUUID()
const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: createHttpWriteAdapter({ url: '/api/write', headers: { 'x-tab': tab } }),
  identity,
  outbox,
})
const { threads, messages } = db.session('s1')
threads.subscribeChanges(() => {}, { includeInitialState: true })
messages.subscribeChanges(() => {}, { includeInitialState: true })

Object.assign(window, {
  testPage: {
    append(threadId: string, content: string) {
      db.actions.appendMessage({ threadId, sessionId: 's1', role: 'user', content })
    },
    rename(threadId: string, title: string) {
      db.actions.renameThread(threadId, title)
    },
    flush: () => outbox.flush(),
    async state() {
      const entries = await outbox.entries()
      return {
        stored: entries.filter(({ failure }) => failure === undefined).length,
        refused: entries.filter(({ failure }) => failure !== undefined).length,
        status: outbox.status.get(),
        failed,
        title: threads.get('th1')?.title ?? null,
        shown: messages.toArray.map(({ content }) => content).sort(),
      }
    },
  },
})
