import { SessionDbError } from '../../errors.ts'
import { onlyOneTab } from './only-one-tab.ts'
import {
  type ConnectOutbox,
  type Outbox,
  type OutboxEntry,
  type OutboxOptions,
  type OutboxStatus,
  registerOutbox,
} from './outbox.ts'
import { createOutboxAnswers } from './outbox-answers.ts'
import { drain, FIRST_DELAY_MS, type OutboxAnswer } from './outbox-queue.ts'
import { type OutboxRecord, openOutboxStorage } from './outbox-storage.ts'
import { createOutboxWrites } from './outbox-writes.ts'
import { createWakeUp } from './wake-up.ts'

/** A message between tabs. */
type Notice =
  | { readonly type: 'changed' }
  | {
      readonly type: 'answered'
      readonly answers: readonly { readonly batchId: string; readonly answer: OutboxAnswer }[]
    }

/**
 * Creates an outbox: writes survive a reload and are sent when the network is back, by one tab, in
 * the order they were made. Uses IndexedDB, Web Locks and BroadcastChannel. Without IndexedDB, as on a
 * server, it keeps writes in memory and warns.
 *
 * @example
 * const identity = { tenantId, userId }
 * const outbox = createOutbox({ identity })
 * const db = createSessionCollections({ electricUrl, writeAdapter, identity, outbox })
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { identity, onFailed, name: prefix = 'session-db-outbox' } = options
  const name = `${prefix}/${JSON.stringify([identity.tenantId, identity.userId])}`
  const storage = openOutboxStorage(name)
  const answers = createOutboxAnswers(storage)
  const wakeUp = createWakeUp(FIRST_DELAY_MS)
  let channel: BroadcastChannel | undefined
  const listeners = new Set<() => void>()
  let status: OutboxStatus = { waiting: 0, failed: 0, lastError: null }

  async function refresh(lastError = status.lastError): Promise<void> {
    const counts = await storage.count().catch(() => undefined)
    status = { ...status, ...counts, lastError }
    for (const listener of listeners) listener()
    answers.lookForLost()
  }

  /** Applies a notice in all tabs, this one included. */
  function broadcast(notice: Notice): void {
    channel?.postMessage(notice)
    apply(notice)
  }

  function apply(notice: Notice): void {
    if (notice.type === 'changed') wakeUp.added()
    else for (const { batchId, answer } of notice.answers) answers.settle(batchId, answer)
    scheduleRefresh()
  }

  // Reads the storage once per turn, however many writes are made in it.
  let refreshing = false
  function scheduleRefresh(): void {
    if (refreshing) return
    refreshing = true
    setTimeout(() => {
      refreshing = false
      void refresh()
    })
  }

  async function changeRefused(batchId: string, work: (record: OutboxRecord) => Promise<void>) {
    const found = (await storage.all()).find(
      ({ batch, failure }) => batch.id === batchId && failure !== undefined,
    )
    if (found === undefined) {
      throw new SessionDbError('not_found', `No refused write '${batchId}' is in the outbox.`)
    }
    await work(found)
    broadcast({ type: 'changed' })
    wakeUp.now()
  }

  /** Opened with the first collections: a server that renders a page has none to connect. */
  function openChannel(): void {
    // Some runtimes have no BroadcastChannel, and no other tabs either.
    const Channel: typeof BroadcastChannel | undefined = globalThis.BroadcastChannel
    channel ??= Channel && new Channel(name)
    // In Node an open channel would keep the process alive.
    ;(channel as { unref?: () => void } | undefined)?.unref?.()
    channel?.addEventListener('message', ({ data }: MessageEvent) => apply(data as Notice))
  }

  const connect: ConnectOutbox = (write, context) => {
    if (channel === undefined) openChannel()
    const end = new AbortController()
    const { signal } = end
    const page = globalThis as Partial<Pick<EventTarget, 'addEventListener'>>
    page.addEventListener?.('online', wakeUp.now, { signal } as AddEventListenerOptions)
    const work = () =>
      drain({
        storage,
        signal,
        write: async (batch) => {
          const result = await write(batch)
          if (status.lastError !== null) status = { ...status, lastError: null }
          return result
        },
        onAnswers(answered) {
          for (const { record, answer } of answered) {
            if ('failure' in answer) onFailed?.({ ...toEntry(record), failure: answer.failure })
          }
          broadcast({
            type: 'answered',
            answers: answered.map(({ record, answer }) => ({ batchId: record.batch.id, answer })),
          })
        },
        onWaiting: (error) => void refresh(error),
        woken: (ms) => wakeUp.wait(ms, signal),
      })
    onlyOneTab(name, signal, work).catch((error) => void refresh(toStorageError(error)))
    const writes = createOutboxWrites(
      {
        async send(batch, sessionOfThread) {
          const answer = answers.to(batch.id)
          try {
            const known = Object.fromEntries(sessionOfThread)
            await storage.add({ batch, sessionOfThread: known, addedAt: new Date() })
            answers.stored(batch.id)
          } catch (error) {
            answers.forget(batch.id)
            throw toStorageError(error)
          }
          broadcast({ type: 'changed' })
          return answer
        },
        async restored() {
          const waiting = (await storage.all()).filter(
            ({ batch, failure }) => failure === undefined && !answers.isAwaited(batch.id),
          )
          scheduleRefresh()
          return waiting.map(({ batch, sessionOfThread }) => {
            const answer = answers.to(batch.id)
            answers.stored(batch.id)
            return { batch, sessionOfThread: new Map(Object.entries(sessionOfThread)), answer }
          })
        },
      },
      context,
    )
    return { writes, close: () => end.abort() }
  }

  const outbox: Outbox = {
    status: {
      get: () => status,
      subscribe(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    entries: async () => (await storage.all()).map(toEntry),
    flush: wakeUp.now,
    retry: (batchId) =>
      changeRefused(batchId, ({ failure: _, group: __, ...record }) => storage.put([record])),
    discard: (batchId) => changeRefused(batchId, (record) => storage.delete([record])),
    clear: storage.clear,
  }
  return registerOutbox(outbox, connect)
}

function toEntry({ batch, addedAt, failure }: OutboxRecord): OutboxEntry {
  return failure === undefined ? { batch, addedAt } : { batch, addedAt, failure }
}

function toStorageError(cause: unknown): SessionDbError {
  const message =
    'The outbox cannot store writes on this device: IndexedDB refuses. Create the collections without an outbox.'
  return new SessionDbError('unavailable', message, { cause })
}
