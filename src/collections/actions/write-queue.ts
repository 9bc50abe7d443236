import type { SessionDbError } from '../../errors.ts'
import { MAX_MUTATIONS, type MutationInput, type WriteBatchInput } from '../../writes/batch.ts'
import { isTransient } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'

/** Sends batches that concern the same rows one after the other, in the order they were submitted. */
export interface WriteQueue {
  /** Sends a batch once every earlier one that concerns its rows is answered. */
  submit(batch: WriteBatchInput): Promise<WriteResult>
}

/** How a queue reaches the server. */
export interface WriteQueueSenders {
  /** Sends a batch, with retries. */
  readonly send: (batch: WriteBatchInput) => Promise<WriteResult>
  /** Sends several batches in one request, if the adapter can. */
  readonly sendAll?: (
    batches: readonly WriteBatchInput[],
  ) => Promise<readonly (WriteResult | SessionDbError)[]>
}

/** Most characters of JSON in one request of several batches, well below the server's limit. */
const MAX_GROUP_LENGTH = 1_000_000

interface Item {
  readonly batch: WriteBatchInput
  readonly keys: readonly string[]
  /** The rows whose earlier writes must be answered: its own, and the parents of users' own rows. */
  readonly waitsFor: readonly string[]
  resolve(result: WriteResult): void
  reject(error: unknown): void
}

/**
 * Creates the queue of one client's writes. Requests can overtake each other: without an order, the
 * first of two renames could win, two messages swap places, or a message arrive before its new
 * thread. Unrelated writes don't wait, and the first write to a row is sent immediately. Batches that
 * waited for the same answer are sent together, each still a transaction of its own.
 */
export function createWriteQueue({ send, sendAll }: WriteQueueSenders): WriteQueue {
  let sendGroup = sendAll
  /** The rows of batches in flight. */
  const busy = new Set<string>()
  let waiting: Item[] = []

  function flush(): void {
    const blocked = new Set(busy)
    const rest: Item[] = []
    const ready: Item[] = []
    let [mutations, length] = [0, 0]
    for (const item of waiting) {
      let waits = item.waitsFor.some((key) => blocked.has(key))
      if (!waits) {
        mutations += item.batch.mutations.length
        if (sendGroup !== undefined) length += JSON.stringify(item.batch).length
        const isTooMuch = mutations > MAX_MUTATIONS || length > MAX_GROUP_LENGTH
        waits = ready.length > 0 && (isTooMuch || sendGroup === undefined)
        if (!waits) ready.push(item)
      }
      if (!waits) continue
      rest.push(item)
      for (const key of item.keys) blocked.add(key)
    }
    waiting = rest
    if (ready.length === 0) return
    void start(ready)
    // The writes that did not fit may be unrelated to those just sent.
    flush()
  }

  async function start(items: readonly Item[]): Promise<void> {
    for (const { keys } of items) for (const key of keys) busy.add(key)
    const unanswered = items.length === 1 ? items : await answerTogether(items)
    for (const { batch, resolve, reject } of unanswered) await send(batch).then(resolve, reject)
    for (const { keys } of items) for (const key of keys) busy.delete(key)
    flush()
  }

  /** Sends several batches in one request and returns those to send one by one, with retries. */
  async function answerTogether(items: readonly Item[]): Promise<readonly Item[]> {
    try {
      const answers = (await sendGroup?.(items.map(({ batch }) => batch))) ?? []
      for (const [index, { resolve, reject }] of items.entries()) {
        const answer = answers[index]
        // The server may have refused this and all later ones for the time being.
        if (answer === undefined || isPassing(answer)) return items.slice(index)
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      }
      return []
    } catch (error) {
      // An older server takes a single batch only.
      if ((error as Partial<SessionDbError>).code === 'invalid') sendGroup = undefined
      // The server returns its first answer for batches that it has applied already.
      return items
    }
  }

  return {
    submit: (batch) =>
      new Promise((resolve, reject) => {
        const keys = [...new Set(batch.mutations.flatMap(concernedRows))]
        const waitsFor = [...keys, ...batch.mutations.flatMap(parentsOf)]
        waiting.push({ batch, keys, waitsFor, resolve, reject })
        // Looking at all that wait would make each of many writes to a thread slower than the last.
        if (!waitsFor.some((key) => busy.has(key))) flush()
      }),
  }
}

function isPassing(answer: WriteResult | SessionDbError): boolean {
  return isTransient(answer) || ('code' in answer && answer.code === 'unauthenticated')
}

/**
 * Returns the thread of a user's own row, which may be new. Later writes to the thread don't wait for the row.
 * Messages that users rate are stored already.
 */
function parentsOf(mutation: MutationInput): string[] {
  return mutation.type === 'set' ? [`chatThreads/${mutation.id}`] : []
}

/** Returns the row a mutation changes, and for a new row also its parent. */
function concernedRows(mutation: MutationInput): string[] {
  const { collection } = mutation
  if (mutation.type !== 'insert') return [`${collection}/${mutation.id}`]
  const own = `${collection}/${mutation.value.id}`
  if ('threadId' in mutation.value) return [own, `chatThreads/${mutation.value.threadId}`]
  if ('sessionId' in mutation.value) return [own, `sessions/${mutation.value.sessionId}`]
  return [own]
}
