import { constants, createGzip } from 'node:zlib'
import { createSessionCollections } from '../src/collections/index.ts'
import { createShapeServer } from '../src/dev/shape-server/index.ts'
import type { Principal } from '../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  migrate,
  type SessionStore,
  streamMessage,
} from '../src/server/index.ts'
import { serve } from '../test/unit/proxy/serve.ts'
import { type BenchContext, type Benchmark, type Comparison, compare, quantile } from './harness.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'

/**
 * 50 messages of 2,000 tokens each are streamed at once, 50 tokens a second each, in 50 threads of one
 * session, by `streamMessage` over the store; one viewer holds the session's messages, through the
 * proxy and over HTTP, with the collections of this library.
 *
 * - Text: the UTF-8 bytes of all tokens, 4.7 per token as in English prose.
 * - WAL: what `pg_current_wal_insert_lsn()` moves from before the messages begin until all are
 *   complete and their deltas deleted. The database is flushed (`CHECKPOINT`) before, so that whole
 *   pages written after a checkpoint are counted in both runs alike.
 * - Viewer: the bodies of all answers to the viewer, as they are, and compressed as nginx does it with
 *   `deploy/nginx/app.conf`: gzip at its default level 1, flushed after every piece that comes.
 * - Token to screen: from `append` until the row in the viewer's collection holds the token; every
 *   20th token of every message.
 * - The reference for bytes is the text. The same goes for a naive writer, which updates the message
 *   with all of its text as often as ours sends deltas; it runs for a quarter of the tokens, as its
 *   cost grows with their square.
 */
export const benchmark: Benchmark = { name: 'streaming', run }

const messages = 50
const tokensPerSecond = 50
const tokenCount = 2_000
const sampleEvery = 20
const naiveTokens = 500
/** How often the naive writer updates its message. */
const naiveMs = 150
/** The time in which ours flushes often. */
const earlyMs = 2_000
const principal: Principal = { tenantId: 'tenant-1', userId: 'user-1' }
const sessionId = '01890a5d-ac96-774b-bcce-b302099a8057'
const words =
  'the of and message stream token answer a to in is that it was for on are as with they'.split(' ')

/** Tokens of 4.7 bytes on average, the space included. */
function token(n: number): string {
  return `${words[n % words.length]} `
}

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    await migrate({ database: postgres.url })
    const store = createSessionStore({ database: postgres.url })
    try {
      await prepare(store)
      context.note(
        `${messages} messages of ${tokenCount} tokens, ${tokenCount / tokensPerSecond} s`,
      )
      const ours = await streamAll(postgres, store)
      context.note(`the naive writer, ${naiveTokens} tokens each`)
      const naive = await updateAll(postgres, store)
      const perText = (name: string, bytes: number, goal?: number) =>
        compare({
          name,
          unit: 'bytes',
          ours: [bytes],
          reference: [ours.textBytes],
          referenceName: 'bytes of the text',
          ...(goal === undefined ? {} : { goal: { ratio: goal } }),
        })
      return [
        perText('WAL of all messages', ours.walBytes, 8),
        perText('to a viewer of all, gzip as nginx does it', ours.compressedBytes, 4),
        perText('to a viewer of all, uncompressed', ours.bodyBytes),
        toScreen('token to screen, first 2 s, p95', quantile(ours.early, 0.95), 250),
        toScreen('token to screen, after 2 s, p95', quantile(ours.late, 0.95), 1_000),
        compare({
          name: `WAL, first ${naiveTokens} tokens`,
          unit: 'bytes',
          ours: [ours.walBytes * (naiveTokens / tokenCount)],
          reference: [naive.walBytes],
          referenceName: `UPDATE with the whole text every ${naiveMs} ms`,
        }),
      ]
    } finally {
      await store.close()
    }
  })
}

function toScreen(name: string, ours: number, goal: number): Comparison {
  return compare({
    name,
    unit: 'ms',
    ours: [ours],
    reference: [goal],
    referenceName: 'the goal',
    goal: { ratio: 1 },
  })
}

async function prepare(store: SessionStore): Promise<void> {
  const session = { id: sessionId, title: 'A session' }
  await store.write(principal, {
    id: 'session',
    mutations: [{ collection: 'sessions', type: 'insert', value: session }],
  })
  for (let n = 0; n < messages; n++) {
    const value = { id: threadId(n), sessionId, mode: 'session', title: 'T', status: 'archived' }
    await store.write(principal, {
      id: `thread-${n}`,
      mutations: [{ collection: 'chatThreads', type: 'insert', value }],
    })
  }
}

function threadId(n: number): string {
  return `01890a5d-ac96-774b-bcce-${String(n).padStart(12, '0')}`
}

async function walPosition(postgres: BenchPostgres): Promise<() => Promise<number>> {
  const client = await postgres.connect()
  await client.query('CHECKPOINT')
  const { rows } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
  return async () => {
    const moved = await client.query('SELECT pg_current_wal_insert_lsn() - $1::pg_lsn AS bytes', [
      rows[0].lsn,
    ])
    return Number(moved.rows[0].bytes)
  }
}

async function streamAll(postgres: BenchPostgres, store: SessionStore) {
  const viewer = await openViewer(postgres.url)
  const wal = await walPosition(postgres)
  const early: number[] = []
  const late: number[] = []
  let textBytes = 0

  async function streamOne(n: number): Promise<void> {
    // Starts are staggered.
    await untilMs(performance.now() + (n / messages) * 1_000)
    const stream = await streamMessage(store, principal, {
      threadId: threadId(n),
      role: 'assistant',
    })
    const start = performance.now()
    for (let at = 0; at < tokenCount; at++) {
      await untilMs(start + (at * 1_000) / tokensPerSecond)
      const text = token(at * 7 + n)
      stream.append(text)
      textBytes += Buffer.byteLength(text)
      if (at % sampleEvery === 0) {
        const sent = performance.now()
        const delays = sent - start < earlyMs ? early : late
        viewer.whenLongerThan(stream.id, stream.content.length - 1, () =>
          delays.push(performance.now() - sent),
        )
      }
    }
    await stream.finish()
  }

  await Promise.all(Array.from({ length: messages }, (_, n) => streamOne(n)))
  const walBytes = await wal()
  await viewer.close()
  const expected = messages * Math.ceil(tokenCount / sampleEvery)
  const seen = early.length + late.length
  if (seen !== expected) throw new Error(`${seen} of ${expected} tokens were seen`)
  return { ...viewer.bytes(), walBytes, textBytes, early, late }
}

async function updateAll(postgres: BenchPostgres, store: SessionStore) {
  const ids = Array.from({ length: messages }, (_, n) => `naive-${n}`)
  for (const [n, id] of ids.entries()) {
    const value = { id, threadId: threadId(n), role: 'assistant', content: '' }
    await store.write(principal, {
      id,
      mutations: [{ collection: 'chatMessages', type: 'insert', value }],
    })
  }
  const wal = await walPosition(postgres)
  const client = await postgres.connect()
  const tokensPerFlush = (tokensPerSecond * naiveMs) / 1_000
  let content = ''
  for (let at = 0, next = tokensPerFlush; at < naiveTokens; at++) {
    content += token(at)
    if (at + 1 < next) continue
    next += tokensPerFlush
    for (const id of ids) {
      await client.query('UPDATE chat_messages SET content = $1 WHERE id = $2', [content, id])
    }
  }
  return { walBytes: await wal() }
}

/** A window with all messages of the session, and a count of the bytes that it receives. */
async function openViewer(databaseUrl: string) {
  const shapeServer = await createShapeServer({ database: databaseUrl })
  const { url: electricUrl } = await shapeServer.listen()
  const app = await serve(
    createShapeProxy({ electricUrl, authenticate: () => principal, limits: false }),
  )
  const bodies: Promise<Bytes>[] = []
  const db = createSessionCollections({
    electricUrl: `${app.url}/api/shapes`,
    writeAdapter: () => Promise.reject(new Error('A viewer writes nothing')),
    fetchClient: async (input, init) => {
      const response = await fetch(input, init)
      bodies.push(countBytes(response.clone()))
      return response
    },
  })
  const { messages: rows } = db.session(sessionId)
  await rows.preload()
  const watched = new Map<string, { length: number; seen: () => void }[]>()
  const subscription = rows.subscribeChanges((changes) => {
    for (const { key, value } of changes) {
      const waiting = watched.get(String(key)) ?? []
      while (waiting[0] !== undefined && value.content.length > waiting[0].length) {
        waiting.shift()?.seen()
      }
    }
  })
  let all: Bytes[] = []
  return {
    whenLongerThan(id: string, length: number, seen: () => void) {
      const waiting = watched.get(id) ?? []
      waiting.push({ length, seen })
      watched.set(id, waiting)
    },
    async close() {
      const deadline = performance.now() + 30_000
      const isDone = () => [...rows.values()].every(({ status }) => status === 'complete')
      while (!isDone() && performance.now() < deadline) await untilMs(performance.now() + 20)
      subscription.unsubscribe()
      await db.cleanup()
      all = await Promise.all(bodies)
      await app.close()
      await shapeServer.close()
    },
    bytes: () => ({
      bodyBytes: sum(all.map(({ plain }) => plain)),
      compressedBytes: sum(all.map(({ compressed }) => compressed)),
    }),
  }
}

interface Bytes {
  readonly plain: number
  readonly compressed: number
}

/** Counts the bytes of a body until it ends or is aborted. */
async function countBytes({ body }: Response): Promise<Bytes> {
  const gzip = createGzip({ level: 1 })
  let [plain, compressed] = [0, 0]
  gzip.on('data', (chunk: Buffer) => {
    compressed += chunk.length
  })
  try {
    for await (const chunk of body ?? []) {
      plain += chunk.length
      gzip.write(chunk)
      await new Promise<void>((resolve) => gzip.flush(constants.Z_SYNC_FLUSH, resolve))
    }
  } catch {
    // The viewer has disconnected.
  }
  return { plain, compressed }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function untilMs(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())))
}
