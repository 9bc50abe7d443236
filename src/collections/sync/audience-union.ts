import type { SyncConfig } from '@tanstack/db'
import type { SessionDbError } from '../../errors.ts'
import { fetchAudiences } from './audience-list.ts'
import type { Audience, AudiencesOf } from './audience-route.ts'
import { type AudienceRow, type AudienceRows, createAudienceRows } from './audience-rows.ts'
import { toStreamError } from './stream-error.ts'
import { createStreamStop, noteFailure, type StreamOptions } from './stream-options.ts'
import { combinedShown } from './sync-evidence.ts'
import {
  createSyncStatus,
  ENDED,
  LOADING,
  type SyncStatus,
  type SyncStatusChanges,
} from './sync-status.ts'
import {
  assembleCollection,
  cleanUpUnlessShown,
  createSyncedCollection,
  type MutableOptions,
  type SyncedCollection,
} from './synced-collection.ts'
import { showWhilePending, startWhenRead } from './tanstack-versions.ts'

/** A collection that shows the rows of all audiences of the principal. */
export interface AudienceUnion<Row extends AudienceRow> extends SyncedCollection<Row> {
  readonly audiences: AudiencesOf
  /** Requests the principal's audiences again, because its rights may have changed. */
  refresh(): void
}

/** Options of `createAudienceUnion`. */
export interface AudienceUnionOptions {
  readonly collectionId: string
  readonly shape: string
  readonly mutable: MutableOptions
  readonly holdMs?: number
}

type SyncFunctions = Parameters<SyncConfig<Record<string, unknown>>['sync']>[0]

/** One sync of the union, from its start to its end. */
interface Running<Row extends AudienceRow> {
  readonly ended: AbortController
  readonly rows: AudienceRows<Row>
  /** The streams by audience, the widest first. */
  streams: ReadonlyMap<Audience, SyncedCollection<Row>>
  state: 'listing' | 'listed' | 'refused'
  readonly params: SyncFunctions
}

/**
 * Creates the collection of the rows that any audience of the principal shows. Each audience has its own shape,
 * which everyone who looks through it shares, and its own stream; a row of several shows once.
 */
export function createAudienceUnion<Row extends AudienceRow>(
  { collectionId, shape, mutable, holdMs }: AudienceUnionOptions,
  options: StreamOptions,
): AudienceUnion<Row> {
  const all = { collectionId, shape, params: {}, key: ['id'] }
  const status = createSyncStatus()
  const stop = createStreamStop()
  const watchers = new Map<string, Set<() => void>>()
  const evidenceWaits = new Set<() => void>()
  let running: Running<Row> | undefined
  let end = () => {}

  const streamsOf = () => [...(running?.streams.values() ?? [])]

  function start(given: SyncFunctions): () => void {
    const params = showWhilePending(given)
    const initial = options.initialRows?.take(all) as readonly Row[] | undefined
    const rows = createAudienceRows<Row>({
      write(changes) {
        params.begin()
        for (const change of changes) params.write(change as Parameters<typeof params.write>[0])
        params.commit()
      },
      isShown: (id) => collection.has(id),
      audienceCount: () => sync.streams.size,
      onMoved(ids) {
        for (const id of ids) for (const listener of watchers.get(id) ?? []) listener()
      },
      ...(holdMs === undefined ? {} : { holdMs }),
    })
    const ended = new AbortController()
    const sync: Running<Row> = { ended, rows, streams: new Map(), state: 'listing', params }
    if (initial !== undefined) {
      rows.apply(
        RENDERED,
        initial.map((row) => ({ type: 'insert', row })),
      )
    }
    if (options.initialRows?.isServer) {
      params.markReady()
      status.update({ status: 'ready' })
      return () => status.update(ENDED)
    }
    running = sync
    status.update(LOADING)
    const stopListening = params.collection.on('status:change', (event) =>
      status.update({ status: event.status }),
    )
    if (initial !== undefined) params.markReady()
    void list(sync)
    return () => {
      if (ended.signal.aborted) return
      ended.abort()
      stopListening()
      stop.end()
      for (const stream of sync.streams.values()) void stream.cleanup()
      rows.clear()
      running = undefined
      status.update(ENDED)
      notifyAll()
      for (const check of evidenceWaits) check()
    }
  }

  /** Requests the audiences until the server lists them, and follows them. */
  async function list(sync: Running<Row>): Promise<void> {
    const { signal } = sync.ended
    if (sync.state === 'listing') {
      // Those of the last page, whose rows are on this device, until the server lists them.
      const kept = await options.persist?.audiences.read()
      if (kept !== undefined && sync.state === 'listing' && !signal.aborted) follow(sync, kept)
    }
    for (;;) {
      try {
        const audiences = await fetchAudiences(options, signal, (problem) => {
          if (sync.state === 'listed') return
          noteFailure(shape, problem, status)
          // The device may have rows of a server that doesn't list audiences.
          if (options.persist !== undefined) follow(sync, [undefined])
        })
        if (signal.aborted) return
        const named = audiences.filter((audience) => audience !== undefined)
        if (named.length > 0) options.persist?.audiences.write(named)
        follow(sync, audiences)
        return
      } catch (error) {
        // The streams report by themselves why they can't go on.
        if (signal.aborted || sync.state === 'listed') return
        const lastError = toStreamError(error, shape)
        status.update({ lastError, isUpToDate: false, isStopped: true })
        options.onError?.(lastError)
        sync.params.markError(lastError)
        sync.state = 'refused'
        notifyAll()
        if (!(await stop.untilRestart())) return
        status.update({ lastError: null, isStopped: false })
      }
    }
  }

  /** Opens the streams of new audiences and closes those of others. */
  function follow(sync: Running<Row>, audiences: readonly Audience[]): void {
    const before = sync.streams
    const kept = audiences.map(
      (audience) => [audience, before.get(audience) ?? openStream(audience)] as const,
    )
    sync.streams = new Map(kept)
    sync.state = 'listed'
    for (const [audience, stream] of before) {
      if (!sync.streams.has(audience)) close(sync, audience, stream)
    }
    for (const [audience, stream] of kept) {
      if (!before.has(audience)) subscribe(sync, audience, stream)
    }
    for (const check of evidenceWaits) check()
    report(sync)
  }

  function openStream(audience: Audience): SyncedCollection<Row> {
    const one =
      audience === undefined
        ? all
        : { ...all, collectionId: `${collectionId}/${audience}`, params: { audience } }
    return createSyncedCollection<Row>(one, {
      ...options,
      onError: (error) => reportOnce(audience, error),
    })
  }

  /** Calls `onError` once for an error that stops the streams of all audiences. */
  function reportOnce(audience: Audience, error: SessionDbError): void {
    // The principal has lost this audience.
    if (audience !== undefined && error.code === 'forbidden') return
    const stopped = streamsOf().filter(
      (stream) => stream.status.get().lastError?.code === error.code,
    )
    if (stopped.length <= 1) options.onError?.(error)
  }

  function subscribe(sync: Running<Row>, audience: Audience, stream: SyncedCollection<Row>): void {
    stream.status.subscribe(() => {
      const { lastError, isUpToDate } = stream.status.get()
      if (sync.streams.get(audience) !== stream) return
      if (audience !== undefined && lastError?.code === 'forbidden' && !isUpToDate) {
        sync.streams = new Map([...sync.streams].filter(([, other]) => other !== stream))
        close(sync, audience, stream)
        refresh()
      }
      report(sync)
    })
    stream.collection.subscribeChanges(
      (changes) => {
        if (sync.streams.get(audience) !== stream || sync.ended.signal.aborted) return
        sync.rows.apply(
          audience,
          changes.map(({ type, key, value }) =>
            type === 'delete' ? { type, id: String(key) } : { type, row: plainRow(value) },
          ),
        )
      },
      { includeInitialState: true },
    )
    stream.collection.onFirstReady(() => report(sync))
  }

  function close(sync: Running<Row>, audience: Audience, stream: SyncedCollection<Row>): void {
    void stream.cleanup()
    sync.rows.drop(audience)
  }

  /** Derives the union's state from its streams'. */
  function report(sync: Running<Row>): void {
    if (sync.ended.signal.aborted) return
    const streams = [...sync.streams.values()]
    const failed = streams.find((stream) => stream.collection.status === 'error')
    if (failed === undefined) {
      if (isComplete(sync) && collection.status !== 'ready') sync.params.markReady()
    } else if (collection.status === 'loading') {
      sync.params.markError(failed.status.get().lastError)
    }
    if (isComplete(sync)) sync.rows.drop(RENDERED)
    status.update(combined(streams.map((stream) => stream.status.get())))
    if (isComplete(sync)) notifyAll()
  }

  /** Returns true once no row can be missing because its audience is still loading. */
  function isComplete({ state, streams }: Running<Row>): boolean {
    const isDone = (stream: SyncedCollection<Row>) =>
      stream.collection.status === 'ready' || stream.collection.status === 'error'
    return state !== 'listing' && [...streams.values()].every(isDone)
  }

  function notifyAll(): void {
    for (const listener of [...watchers.values()].flatMap((all) => [...all])) listener()
  }

  function refresh(): void {
    if (running?.state === 'listed') void list(running)
  }

  function holders(id: string): readonly Audience[] {
    const having = running?.rows.holders(id) ?? []
    return [...(running?.streams.keys() ?? [])].filter((audience) => having.includes(audience))
  }

  function listen(id: string, listener: () => void): () => void {
    const listeners = watchers.get(id) ?? new Set()
    watchers.set(id, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && watchers.get(id) === listeners) watchers.delete(id)
    }
  }

  const audiences: AudiencesOf = {
    holders,
    async find(id) {
      // The views of one turn may start the union after the collections of one of its rows.
      await Promise.resolve()
      if (running === undefined) return undefined
      return new Promise<Audience>((resolve) => {
        const check = () => {
          const known = holders(id)
          if (known.length === 0 && running !== undefined && !isComplete(running)) return
          unlisten()
          resolve(known[0])
        }
        const unlisten = listen(id, check)
        check()
      })
    },
    watch(id, listener) {
      const unlisten = listen(id, listener)
      const kept = base.isLive() ? collection.subscribeChanges(() => {}) : undefined
      return () => {
        unlisten()
        kept?.unsubscribe()
      }
    },
  }

  const evidence: SyncedCollection<Row>['evidence'] = {
    get shown() {
      return combinedShown(streamsOf().map((stream) => stream.evidence.shown))
    },
    wait(isDue, signal) {
      const sync = running
      if (sync === undefined) return Promise.resolve()
      return new Promise((resolve) => {
        const asked = new Set<SyncedCollection<Row>>()
        const end = () => {
          evidenceWaits.delete(askAll)
          resolve()
        }
        const ask = async (stream: SyncedCollection<Row>) => {
          asked.add(stream)
          await stream.evidence.wait(isDue, signal)
          if (!isDue(stream.evidence.shown)) return
          await sync.rows.settled()
          end()
        }
        const askAll = () => {
          if (sync.ended.signal.aborted) end()
          else for (const stream of streamsOf()) if (!asked.has(stream)) void ask(stream)
        }
        evidenceWaits.add(askAll)
        signal?.addEventListener('abort', end)
        askAll()
      })
    },
  }

  const base: SyncedCollection<Row> = assembleCollection(
    {
      id: collectionId,
      getKey: (row: Row) => row.id,
      sync: {
        rowUpdateMode: 'full',
        sync: (params: SyncFunctions) => {
          end = start(params)
          return { cleanup: end }
        },
      },
    },
    options.gcTime,
    mutable,
    {
      collectionId,
      shape,
      shapeName: shape,
      evidence,
      status,
      restart() {
        stop.restart()
        refresh()
      },
      empty() {
        const params = running?.params
        end()
        params?.begin()
        params?.truncate()
        params?.commit()
        return cleanUpUnlessShown(collection)
      },
    },
  )
  const { collection } = base
  if (options.initialRows?.startsWhenRead(all)) startWhenRead(collection)
  return Object.assign(base, { audiences, refresh })
}

/** Stands for the rows that the server has rendered, until the audiences have sent theirs. */
const RENDERED = ' rendered'

/** Returns the row without the properties that TanStack DB adds to rows it emits. */
function plainRow<Row extends object>(row: Row): Row {
  const entries = Object.entries(row).filter(([name]) => !name.startsWith('$'))
  return Object.fromEntries(entries) as Row
}

/** Returns the status of streams together; handle and offset are those of the widest audience. */
function combined(streams: readonly SyncStatus[]): SyncStatusChanges {
  const times = streams.map(({ lastSyncedAt }) => lastSyncedAt?.getTime() ?? 0)
  const oldest = Math.min(...times)
  return {
    isUpToDate: streams.length > 0 && streams.every(({ isUpToDate }) => isUpToDate),
    isStopped: streams.some(({ connection }) => connection === 'stopped'),
    lastError: streams.find(({ lastError }) => lastError !== null)?.lastError ?? null,
    lastSyncedAt: streams.length > 0 && oldest > 0 ? new Date(oldest) : null,
    handle: streams[0]?.handle ?? null,
    offset: streams[0]?.offset ?? null,
  }
}
