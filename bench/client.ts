import { createSessionCollections, type SessionCollections } from '../src/index.ts'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  type Goal,
  interleave,
} from './harness.ts'
import { cannedShapes, wireEvents, wireMessages, wireThread } from './support/canned-shapes.ts'
import { measureClientMemory } from './support/client-memory.ts'
import { plainCollection } from './support/plain-collection.ts'

/**
 * The time and memory that the collections take in a browser, beside plain TanStack DB collections of the
 * same rows. The answers of the shapes are canned, so that only the client is measured, and times are those
 * of the processor, which other load on the machine changes least.
 */
export const benchmark: Benchmark = { name: 'client', run }

const EVENTS = 100_000
const MESSAGES = 20_000
const PENDING = 500
const APPENDS = 30

async function run(context: BenchContext): Promise<Comparison[]> {
  return [
    await initialSync(context),
    await appends(context, 'append to a thread of 20,000 messages', MESSAGES, 0, { most: 2 }),
    await appends(context, 'append with 500 writes pending', 100, PENDING, { ratio: 1.5 }),
    await memory(context),
  ]
}

function open(fetchClient: typeof fetch): SessionCollections {
  return createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    fetchClient,
    identity: { tenantId: 'acme', userId: 'ada' },
    shareLiveConnections: false,
    // Writes stay pending.
    writeAdapter: () => new Promise(() => {}),
  })
}

async function initialSync({ rounds }: BenchContext): Promise<Comparison> {
  const fetchClient = cannedShapes({ 'session-timeline': wireEvents(EVENTS) })
  const samples = await interleave(Math.min(rounds, 5), {
    async ours() {
      const db = open(fetchClient)
      const { timeline } = db.session('s1')
      const time = await processorTime(() => timeline.preload())
      if (timeline.size !== EVENTS) throw new Error(`${timeline.size} events`)
      await db.cleanup()
      return time
    },
    async reference() {
      const timeline = plainCollection(fetchClient, 'session-timeline')
      const time = await processorTime(() => timeline.preload())
      if (timeline.size !== EVENTS) throw new Error(`${timeline.size} events`)
      await timeline.cleanup()
      return time
    },
  })
  return compare({
    name: 'initial sync of 100,000 rows',
    unit: 'ms',
    ...samples,
    referenceName: 'electricCollectionOptions',
    goal: { ratio: 1.1 },
  })
}

async function processorTime(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

/** Measures how long a call of `appendMessage` keeps the caller's thread. */
async function appends(
  { rounds }: BenchContext,
  name: string,
  messages: number,
  pending: number,
  goal: Goal,
): Promise<Comparison> {
  const fetchClient = cannedShapes({
    'session-threads': [wireThread(messages)],
    'thread-messages': wireMessages(messages),
  })
  const measure = async (append: (content: string) => unknown) => {
    for (let n = 0; n < pending; n++) append(`waiting ${n}`)
    // The calls that are measured come later than those that wait.
    await new Promise((resolve) => setTimeout(resolve))
    const time = await processorTime(async () => {
      for (let n = 0; n < APPENDS; n++) append(`message ${n}`)
    })
    return time / APPENDS
  }
  const samples = await interleave(Math.min(rounds, 5), {
    async ours() {
      const db = open(fetchClient)
      const { messages: shown } = db.thread({ id: 't1', sessionId: 's1' })
      await Promise.all([shown.preload(), db.session('s1').threads.preload()])
      const time = await measure((content) =>
        db.actions.appendMessage({ threadId: 't1', sessionId: 's1', role: 'user', content }),
      )
      await db.cleanup()
      return time
    },
    async reference() {
      const shown = plainCollection(fetchClient, 'thread-messages')
      await shown.preload()
      let inserted = 0
      const time = await measure((content) => {
        inserted += 1
        shown.insert({ id: `new-${inserted}`, threadId: 't1', role: 'user', content })
      })
      await shown.cleanup()
      return time
    },
  })
  return compare({
    name,
    unit: 'ms',
    ...samples,
    referenceName: 'insert of a plain collection',
    goal,
  })
}

/** Memory is measured in processes of their own, each with nothing else in its heap. */
async function memory({ rounds }: BenchContext): Promise<Comparison> {
  const samples = await interleave(Math.min(rounds, 3), {
    ours: () => measureClientMemory('ours'),
    reference: () => measureClientMemory('reference'),
  })
  return compare({
    name: 'memory of a client with 50,000 messages',
    unit: 'MB',
    ...samples,
    referenceName: 'a plain collection of these rows',
    goal: { ratio: 1.2 },
  })
}
