import { createShapeProtocol } from '../../src/dev/protocol/protocol.ts'
import { toResponse } from '../../src/dev/protocol/responses.ts'
import { createShapeStore } from '../../src/dev/protocol/shape-store.ts'
import { createMemoryShapes, type MemoryShape } from '../../src/testing/memory-shapes.ts'
import { type ActualResponse, comparedHeaders, compareResponse } from './compare.ts'
import { createPlaceholders, Difference } from './placeholders.ts'
import type { Exchange, RecordedTransaction, Recording } from './recording.ts'
import { BeyondMemory, createSqlInMemory } from './sql-in-memory.ts'

/** The first difference of a recording; undefined if there was none. */
export type MemoryOutcome =
  | { readonly applies: true; readonly difference: string | undefined }
  | { readonly applies: false; readonly reason: string }

/** Replays a recording against the shape mock, if that supports its SQL. */
export async function replayInMemory(recording: Recording): Promise<MemoryOutcome> {
  let at = 'setup'
  try {
    const run = await startRun(recording)
    for (const [index, step] of recording.steps.entries()) {
      at = `step ${index}`
      if ('wait' in step) continue
      if ('open' in step || 'close' in step) throw new BeyondMemory('open transactions')
      if ('parallel' in step) await run.exchange(step.parallel, step.during ?? [])
      else if ('request' in step) await run.exchange([step], step.during ?? [])
      else run.commit(step)
    }
    return { applies: true, difference: undefined }
  } catch (error) {
    if (error instanceof BeyondMemory) return { applies: false, reason: `${at}: ${error.message}` }
    if (error instanceof Difference) return { applies: true, difference: `${at}: ${error.message}` }
    throw error
  }
}

async function startRun(recording: Recording) {
  const database = await createSqlInMemory()
  const failures: unknown[] = []
  const shapes = createMemoryShapes(database, {
    salt: recording.name,
    conditionOf(params) {
      try {
        return { name: 'recorded', condition: database.conditionOf(params) }
      } catch (error) {
        failures.push(error)
        throw error
      }
    },
  })
  const store = createShapeStore<MemoryShape>({
    chunkBytes: 10_485_760,
    maxBytes: 2 ** 28,
    onRemove: ({ log }) => shapes.close(log),
  })
  const answer = createShapeProtocol(shapes, store, {
    longPollMs: 1_000,
    sseKeepAliveMs: 21_000,
    sseDurationMs: 60_000,
    subsetLingerMs: 0,
    secret: undefined,
    allowShapeDeletion: true,
    onError: (error) => failures.push(error),
  })
  const placeholders = createPlaceholders(recording)
  const headers = comparedHeaders(recording)
  for (const sql of recording.setup) database.commit([sql])

  async function send({ request, read }: Exchange): Promise<ActualResponse> {
    if (read) throw new BeyondMemory('server-sent events')
    const url = new URL(request.path, 'http://engine.invalid')
    for (const [name, value] of Object.entries(request.query)) {
      url.searchParams.append(name, placeholders.fill(value))
    }
    const given = Object.entries(request.headers)
    const asked = new Request(url, {
      method: request.method,
      headers: Object.fromEntries(given.map(([name, value]) => [name, placeholders.fill(value)])),
      ...(request.body === null ? {} : { body: JSON.stringify(request.body) }),
    })
    const response = toResponse(await answer(asked))
    const beyond = failures.find((failure) => failure instanceof BeyondMemory)
    if (beyond) throw beyond
    // HTTP omits the body of an answer to HEAD.
    const text = request.method === 'HEAD' ? '' : await response.text()
    return { status: response.status, headers: response.headers, text }
  }

  function commit({ sql, txid }: RecordedTransaction): void {
    const transaction = database.commit(sql)
    if (txid) placeholders.bind(txid, String(transaction.txid))
    shapes.publish(transaction)
  }

  async function waitForPolls(count: number): Promise<void> {
    const waiting = () => [...store.all()].reduce((sum, { log }) => sum + log.waiting, 0)
    const until = performance.now() + 500
    while (waiting() < count && performance.now() < until) await new Promise(setImmediate)
  }

  async function exchange(
    exchanges: readonly Exchange[],
    during: readonly RecordedTransaction[],
  ): Promise<void> {
    const sending = Promise.all(exchanges.map(send))
    // Awaited below; until then a failure must not count as unhandled.
    sending.catch(() => undefined)
    if (during.length > 0) await waitForPolls(exchanges.length)
    for (const transaction of during) commit(transaction)
    for (const [index, actual] of (await sending).entries()) {
      const { response } = exchanges[index] as Exchange
      compareResponse(response, actual, headers, placeholders)
    }
  }

  return { exchange, commit }
}
