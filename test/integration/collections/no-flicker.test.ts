import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PendingWrite } from '../../../src/collections/index.ts'
import type { WriteAdapter } from '../../../src/writes/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'
import { record } from '../../support/record-changes.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

const USER = 'acme/ada'
const delays = fc.integer({ min: 0, max: 60 })
const steps = fc.record({
  what: fc.constantFrom('append', 'append', 'update', 'delete', 'rename'),
  /** Picks one of the messages by a share of their number. */
  which: fc.double({ min: 0, max: 0.999, noNaN: true }),
  fails: fc.integer({ min: 0, max: 4 }).map((dice) => dice === 0),
  writeDelay: delays,
  pause: fc.integer({ min: 0, max: 15 }),
})

test('no row disappears and returns, and all end as stored, whatever is written at any speed', async () => {
  await fc.assert(fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 25 }), delays, run), {
    numRuns: cases(12, 100),
  })
})

type Step = typeof steps extends fc.Arbitrary<infer Value> ? Value : never

async function run(script: Step[], streamDelay: number): Promise<void> {
  const pending: Step[] = []
  const send = createHttpWriteAdapter({
    url: `${app.url}/api/write`,
    headers: { [USER_HEADER]: USER },
  })
  const slow: WriteAdapter = async (batch) => {
    const step = pending.shift()
    await delay(step?.writeDelay ?? 0)
    if (step?.fails) throw new TypeError('fetch failed')
    return await send(batch)
  }
  const db = openAs(app, USER, {
    writeAdapter: slow,
    writeRetries: false,
    fetchClient: async (...args) => {
      const response = await fetch(...args)
      await delay(streamDelay)
      return response
    },
  })
  const session = db.actions.createSession({ title: 'S' })
  await session.committed
  const thread = db.actions.createThread({ sessionId: session.id, mode: 'session', title: 'T' })
  await thread.committed
  const { threads } = db.session(session.id)
  const { messages } = db.thread({ id: thread.id, sessionId: session.id })
  await Promise.all([threads.preload(), messages.preload()])
  const events = record(messages, () => '')
  const threadEvents = record(threads, () => '')

  const writes: PendingWrite[] = []
  const mayComeBack = new Set<string>()
  for (const step of script) {
    pending.push(step)
    const ids = [...messages.keys()]
    const id = ids[Math.floor(step.which * ids.length)]
    if (step.what === 'append' || (id === undefined && step.what !== 'rename')) {
      writes.push(db.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'a' }))
    } else if (step.what === 'rename') {
      writes.push(db.actions.renameThread(thread.id, `T${writes.length}`))
    } else if (step.what === 'update' && id !== undefined) {
      writes.push(db.actions.updateMessage(id, { content: `u${writes.length}` }))
    } else if (id !== undefined) {
      const write = db.actions.deleteMessage(id)
      write.committed.catch(() => mayComeBack.add(id))
      writes.push(write)
    }
    await delay(step.pause)
  }
  await Promise.allSettled(writes.map(({ committed }) => committed))

  await eventually(async () => {
    const stored = await app.sql(
      'SELECT id, content, position::int, version FROM chat_messages WHERE thread_id = $1',
      [thread.id],
    )
    const shown = messages.toArray.map(({ id, content, position, version }) => ({
      id,
      content,
      position,
      version,
    }))
    expect(byId(shown)).toEqual(byId(stored as typeof shown))
    const [row] = await app.sql(
      'SELECT title, message_count AS "messageCount", version FROM chat_threads WHERE id = $1',
      [thread.id],
    )
    expect(threads.get(thread.id)).toMatchObject(row as object)
  })
  expect(reappeared(events).filter((id) => !mayComeBack.has(id))).toEqual([])
  expect(reappeared(threadEvents)).toEqual([])
  await db.cleanup()
}

function byId<Row extends { readonly id: string }>(rows: Row[]): Row[] {
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function reappeared(events: readonly string[]): string[] {
  const gone = new Set<string>()
  const back: string[] = []
  for (const [type, id = ''] of events.map((event) => event.split(' '))) {
    if (type === 'delete') gone.add(id)
    else if (gone.has(id)) back.push(id)
  }
  return back
}
