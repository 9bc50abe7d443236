import { SessionDbError } from '../../errors.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { WriterIdentity } from '../optimistic-rows.ts'
import { onlyOneTab } from './only-one-tab.ts'
import { createOutboxAnswers } from './outbox-answers.ts'
import { drain, FIRST_DELAY_MS, type OutboxAnswer } from './outbox-queue.ts'
import {
  deleteOutboxStorage,
  type OutboxFailure,
  type OutboxRecord,
  openOutboxStorage,
} from './outbox-storage.ts'
import { createWakeUp } from './wake-up.ts'

export type { OutboxFailure } from './outbox-storage.ts'

/** A write in the outbox. */
export interface OutboxEntry {
  readonly batch: WriteBatchInput
  readonly addedAt: Date
  /** Why the server refused it; undefined while it waits. */
  readonly failure?: OutboxFailure
}

/** How an outbox is doing. */
export interface OutboxStatus {
  readonly waiting: number
  /** Writes the server refused: they stay until they are retried or discarded. */
  readonly failed: number
  /** Why the last try did not get through; null when it did. */
  readonly lastError: SessionDbError | null
}

export interface OutboxOptions {
  /** Who is signed in. Each principal has an outbox of its own: none sends what another wrote. */
  readonly identity: WriterIdentity
  /** Tells apart the outboxes of several apps on one origin. Default `session-db-outbox`. */
  readonly name?: string
  /** Hears of every write that the server refused for good, in the tab that sent it. */
  readonly onFailed?: (entry: OutboxEntry) => void
}

/** What `createSessionCollections` needs of an outbox. */
export interface OutboxConnection {
  /** Stores a write and resolves with the server's answer to it, whenever that comes. */
  send(batch: WriteBatchInput, sessionOfThread: ReadonlyMap<string, string>): Promise<WriteResult>
  /** Writes that wait from before, and the answers to come. */
  restored(): Promise<readonly RestoredWrite[]>
  close(): void
}

/** A write of before this page was loaded, or of another tab. */
export interface RestoredWrite {
  readonly batch: WriteBatchInput
  readonly sessionOfThread: ReadonlyMap<string, string>
  readonly answer: Promise<WriteResult>
}

/** Keeps writes on the device until the server has answered them. */
export interface Outbox {
  readonly status: {
    get(): OutboxStatus
    subscribe(listener: () => void): () => void
  }
  /** Everything that waits or was refused, oldest first. */
  entries(): Promise<OutboxEntry[]>
  /** Tries now, for example after a new sign-in; otherwise the next try comes by itself. */
  flush(): void
  /** Sends a refused write again. */
  retry(batchId: string): Promise<void>
  /** Gives a refused write up. */
  discard(batchId: string): Promise<void>
  /** Removes everything from the device, for a sign-out. What waits is lost. */
  clear(): Promise<void>
  /** Called by `createSessionCollections`. */
  connect(write: (batch: WriteBatchInput) => Promise<WriteResult>): OutboxConnection
}

type Notice =
  | { readonly type: 'changed' }
  | {
      readonly type: 'answered'
      readonly answers: readonly { readonly batchId: string; readonly answer: OutboxAnswer }[]
    }

/**
 * Creates an outbox: writes survive a reload and are sent when the network is back, by one tab, in
 * the order they were made. Uses IndexedDB, Web Locks and BroadcastChannel.
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
  const channel = new BroadcastChannel(name)
  // In Node an open channel would keep the process alive.
  ;(channel as { unref?: () => void }).unref?.()
  const listeners = new Set<() => void>()
  let status: OutboxStatus = { waiting: 0, failed: 0, lastError: null }

  async function refresh(lastError = status.lastError): Promise<void> {
    status = { ...(await storage.count()), lastError }
    for (const listener of listeners) listener()
    answers.lookForLost()
  }

  function tell(notice: Notice): void {
    channel.postMessage(notice)
    hear(notice)
  }

  function hear(notice: Notice): void {
    if (notice.type === 'changed') wakeUp.added()
    else for (const { batchId, answer } of notice.answers) answers.settle(batchId, answer)
    scheduleRefresh()
  }

  // Hundreds of writes come at once: one look at the storage is enough for all.
  let refreshing = false
  function scheduleRefresh(): void {
    if (refreshing) return
    refreshing = true
    setTimeout(() => {
      refreshing = false
      refresh().catch(() => undefined)
    })
  }

  async function change(batchId: string, work: (record: OutboxRecord) => Promise<void>) {
    const found = (await storage.all()).find(
      ({ batch, failure }) => batch.id === batchId && failure !== undefined,
    )
    if (found === undefined) {
      throw new SessionDbError('not_found', `No write '${batchId}' in the outbox has been refused.`)
    }
    await work(found)
    tell({ type: 'changed' })
    wakeUp.now()
  }

  channel.addEventListener('message', ({ data }: MessageEvent) => hear(data as Notice))

  return {
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
      change(batchId, ({ failure: _, group: __, ...record }) => storage.put([record])),
    discard: (batchId) => change(batchId, (record) => storage.delete([record])),
    async clear() {
      await storage.close()
      await deleteOutboxStorage(name)
    },
    connect(write) {
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
            tell({
              type: 'answered',
              answers: answered.map(({ record, answer }) => ({ batchId: record.batch.id, answer })),
            })
          },
          onWaiting: (error) => void refresh(error),
          woken: (ms) => wakeUp.wait(ms, signal),
        })
      onlyOneTab(name, signal, work).catch((error) => void refresh(toStorageError(error)))
      return {
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
          tell({ type: 'changed' })
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
        close: () => end.abort(),
      }
    },
  }
}

function toEntry({ batch, addedAt, failure }: OutboxRecord): OutboxEntry {
  return failure === undefined ? { batch, addedAt } : { batch, addedAt, failure }
}

function toStorageError(cause: unknown): SessionDbError {
  const message = 'The outbox cannot store writes on this device: IndexedDB refuses. Write online.'
  return new SessionDbError('unavailable', message, { cause })
}
