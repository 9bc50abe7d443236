import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  createOutbox,
  createSessionCollections,
  type SessionCollections,
} from '../src/collections/index.ts'
import { createShapeServer } from '../src/dev/shape-server/index.ts'
import type { Principal } from '../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
} from '../src/server/index.ts'
import { createHttpWriteAdapter } from '../src/writes/index.ts'
import { serve } from '../test/unit/proxy/serve.ts'
import { type BenchContext, type Benchmark, type Comparison, compare, timed } from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'

/**
 * Drains 1,000 messages that were written offline: from `flush` until the server has stored each and
 * the stream has brought it back. The reference awaits `committed` of each append before the next one,
 * as an outbox that waits for each txid does; it runs for 40 writes and is multiplied by 25.
 *
 * Both over real HTTP, store, Postgres, shape server and proxy. "50 ms away" adds 25 ms to each
 * request and 25 ms to each answer, writes and shapes alike; "on this machine" adds nothing, so it
 * compares no more than processing. The device's IndexedDB is `fake-indexeddb`.
 */
export const benchmark: Benchmark = { name: 'outbox', run }

const queued = 1_000
const serialWrites = 40
const principal: Principal = { tenantId: 'tenant-1', userId: 'user-1' }

async function run(context: BenchContext): Promise<Comparison[]> {
  const away = await measure(context, 50)
  const here = await measure(context, 0)
  const of = (name: string, samples: Samples, goal?: number) =>
    compare({
      name,
      unit: 'ms',
      ...samples,
      referenceName: 'each txid awaited, one by one',
      ...(goal === undefined ? {} : { goal: { ratio: goal } }),
    })
  return [
    of(`${queued} writes drained, 50 ms away`, away, 1 / 100),
    of(`${queued} writes drained, on this machine`, here),
  ]
}

interface Samples {
  readonly ours: number[]
  readonly reference: number[]
}

async function measure({ rounds, note }: BenchContext, roundTripMs: number): Promise<Samples> {
  return withPostgres(async ({ url }) => {
    await migrate({ database: url })
    const store = createSessionStore({ database: url, requestLimits: false })
    const shapeServer = await createShapeServer({ database: url })
    const { url: electricUrl } = await shapeServer.listen()
    const authenticate = () => principal
    const shapes = createShapeProxy({ electricUrl, authenticate, limits: false })
    const writes = createWriteHandler({ store, authenticate })
    const app = await serve(async (request) => {
      await delay(roundTripMs / 2)
      const isShape = new URL(request.url).pathname.startsWith('/api/shapes/')
      const response = await (isShape ? shapes(request) : writes(request))
      await delay(roundTripMs / 2)
      return response
    })
    const samples: Samples = { ours: [], reference: [] }
    try {
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        note(`${roundTripMs} ms round trip, round ${round + 1}`)
        const threadId = randomUUID()
        await createThread(store, threadId)
        samples.reference.push((await serially(app.url, threadId)) * (queued / serialWrites))
        samples.ours.push(await drained(app.url, threadId))
      }
      return samples
    } finally {
      await app.close()
      await shapeServer.close()
      await store.close()
    }
  })
}

async function createThread(
  store: ReturnType<typeof createSessionStore>,
  threadId: string,
): Promise<void> {
  const session = { id: threadId, title: 'A session' }
  const thread = { id: threadId, sessionId: threadId, mode: 'session', title: 'A thread' }
  await store.write(principal, {
    id: randomUUID(),
    mutations: [
      { collection: 'sessions', type: 'insert', value: session },
      { collection: 'chatThreads', type: 'insert', value: thread },
    ],
  })
}

async function serially(url: string, threadId: string): Promise<number> {
  const db = createSessionCollections({
    electricUrl: `${url}/api/shapes`,
    writeAdapter: createHttpWriteAdapter({ url: `${url}/api/write` }),
    identity: principal,
  })
  await db.thread({ id: threadId, sessionId: threadId }).messages.preload()
  await append(db, threadId, 0)
  const time = await timed(async () => {
    for (let n = 1; n <= serialWrites; n++) await append(db, threadId, n)
  })
  await db.cleanup()
  return time
}

function append(db: SessionCollections, threadId: string, n: number): Promise<unknown> {
  return db.actions.appendMessage({ threadId, role: 'user', content: `Message ${n}` }).committed
}

async function drained(url: string, threadId: string): Promise<number> {
  let isOnline = false
  const send = createHttpWriteAdapter({ url: `${url}/api/write` })
  const outbox = createOutbox({ identity: principal, name: randomUUID() })
  const db = createSessionCollections({
    electricUrl: `${url}/api/shapes`,
    writeAdapter: (batch) =>
      isOnline ? send(batch) : Promise.reject(new TypeError('Failed to fetch')),
    identity: principal,
    outbox,
  })
  await db.thread({ id: threadId, sessionId: threadId }).messages.preload()
  const writes = Array.from({ length: queued }, (_, n) => append(db, threadId, n))
  while ((await outbox.entries()).length < queued) await delay(50)
  const time = await timed(async () => {
    isOnline = true
    outbox.flush()
    await Promise.all(writes)
  })
  await db.cleanup()
  return time
}
