import { PRINCIPAL_HEADER } from '../../live/protocol.ts'
import { AUDIENCES_NAME } from '../../shapes/shape-url.ts'
import { unauthenticated } from '../../writes/errors.ts'
import type { PersistStream } from '../sync/stream-options.ts'
import { foldLog, joinLog } from './fold-log.ts'
import { type LogChunk, type LogStorage, openLogStorage, START } from './log-storage.ts'
import { type Persistence, type PersistenceOptions, registerPersistence } from './persistence.ts'

const TABLES = ['sessions', 'sessionGrants', 'timelineEvents', 'chatThreads', 'chatMessages']

/** A log of more chunks than this is folded into one. */
const MAX_CHUNKS = 50

/** A device that takes longer than this to read the rows is not waited for, in ms. */
const MAX_READ_MS = 2_000

/**
 * Codes with which the server refuses the rows, not the request. An expired sign-in (401) is
 * no reason to delete them.
 */
const REFUSALS = [400, 403, 404, 409]

/**
 * Creates a persistence: the synced rows of collections are kept in IndexedDB with handle and offset.
 * After a reload, collections show them immediately and then receive only what has changed since.
 *
 * The rows are deleted on sign-out, for another user, when the server refuses them, when the shape has
 * been replaced (409), and 30 days after they were stored. Where IndexedDB is missing or full, collections
 * load from the server as without a persistence.
 *
 * @example
 * const identity = { tenantId, userId }
 * const persistence = createPersistence({ identity })
 * const db = createSessionCollections({ electricUrl, writeAdapter, identity, persistence })
 */
export function createPersistence(options: PersistenceOptions): Persistence {
  const { identity, collections = TABLES, version = 1, name = 'session-db-rows' } = options
  let opened: Promise<LogStorage | undefined> | undefined
  const storage = () => {
    opened ??= openLogStorage(name, identity, version).catch(() => undefined)
    return opened
  }
  // Opened before the first stream asks for its rows; a server that renders a page has none.
  if (globalThis.indexedDB !== undefined) void storage()
  let clearings = 0

  const wrapStream = ({ source, collection, status, send }: Parameters<PersistStream>[0]) => {
    if (!collections.includes(collection)) return send
    const shape = JSON.stringify([source.shape, Object.entries(source.params).sort()])
    const columns = Object.values(source.columns ?? {}).map((column) => column.name)
    /** The rows that were read from the device, until the server goes on from them. */
    let restored: readonly LogChunk[] | undefined

    async function read(): Promise<readonly LogChunk[]> {
      const log = (await (await storage())?.read(shape).catch(() => undefined)) ?? []
      const schema = log[0] && (JSON.parse(log[0].schema) as Record<string, unknown>)
      return schema && columns.every((column) => Object.hasOwn(schema, column)) ? log : []
    }

    async function restore(expired: string | null): Promise<Response | undefined> {
      const log = await withinTime(read())
      const last = log?.at(-1)
      if (log === undefined || last === undefined || last.handle === expired) return undefined
      restored = log
      const { handle, to, schema, storedAt } = last
      status.update({ lastSyncedAt: storedAt, isRestored: true })
      return new Response(joinLog(log.map(({ body }) => body)), {
        headers: {
          'content-type': 'application/json',
          'electric-handle': handle,
          'electric-offset': to,
          'electric-schema': schema,
          'electric-up-to-date': '',
        },
      })
    }

    async function forget(): Promise<void> {
      await (await storage())?.delete(shape).catch(() => undefined)
    }

    /** The chunk stored last, while the collection lacks rows after it. */
    let unfinished: LogChunk | undefined

    async function record(from: string, response: Response): Promise<void> {
      const { headers } = response
      const [handle, to] = [headers.get('electric-handle'), headers.get('electric-offset')]
      if (handle === null || to === null) return
      const before = clearings
      const isUpToDate = headers.has('electric-up-to-date')
      if (to === from) {
        // There was nothing after that chunk.
        if (unfinished?.to === to && isUpToDate) await add({ ...unfinished, isUpToDate })
        return
      }
      await add({
        handle,
        from,
        to,
        body: await response.clone().text(),
        schema: headers.get('electric-schema') ?? '{}',
        principal: headers.get(PRINCIPAL_HEADER),
        isUpToDate,
        storedAt: new Date(),
      })

      async function add(chunk: LogChunk): Promise<void> {
        if (before !== clearings) return
        unfinished = chunk.isUpToDate ? undefined : chunk
        await (await storage())?.add(shape, chunk)
      }
    }

    /** Folds a long log, or deletes it if that is impossible, so that the next page reads all rows. */
    async function shorten(log: readonly LogChunk[]): Promise<void> {
      const last = log.at(-1)
      if (last === undefined || log.length <= MAX_CHUNKS) return
      const body = foldLog(log.map((chunk) => chunk.body))
      if (body === undefined) return forget()
      const { schema } = log[0] as LogChunk
      await (await storage())?.replace(shape, log, { ...last, from: START, body, schema })
    }

    const wrapped: typeof fetch = async (input, init) => {
      const { searchParams } = new URL(String(input))
      const from = offsetOf(searchParams, init)
      if (from === undefined) return send(input, init)
      // Once per start of the stream, which may have to start over later. A collection that is ready
      // shows newer rows, which the server has rendered.
      const { offset, status: state } = status.get()
      if (from === START && offset === null && state !== 'ready') {
        const stored = await restore(searchParams.get('expired_handle'))
        if (stored !== undefined) return stored
      }
      // The stream has taken the restored rows by the time it asks for what follows them.
      status.update({ isRestored: false })
      const response = await send(input, init)
      const log = restored
      if (REFUSALS.includes(response.status)) {
        await forget()
        // The shape is defined otherwise now, so its log starts over.
        return response.status === 400 && log !== undefined ? mustRefetch(response) : response
      }
      if (log !== undefined && isOfOther(response, log)) {
        await forget()
        void response.body?.cancel()
        return unauthenticated(
          'This browser is now signed in as another user. Reload the page to continue as that user.',
        )
      }
      if (response.ok) {
        restored = undefined
        record(from, response).catch(() => undefined)
        if (log !== undefined) shorten(log).catch(() => undefined)
      }
      return response
    }
    return wrapped
  }

  const audiences: PersistStream['audiences'] = {
    async read() {
      const log = await withinTime((async () => (await storage())?.read(AUDIENCES_NAME))())
      const kept = log?.at(-1)
      return kept && (JSON.parse(kept.body) as string[])
    },
    write(list) {
      if (!collections.includes('sessions')) return
      const before = clearings
      void storage().then(
        async (opened) => {
          if (before !== clearings) return
          await opened?.add(AUDIENCES_NAME, {
            handle: AUDIENCES_NAME,
            from: START,
            to: START,
            body: JSON.stringify(list),
            schema: '{}',
            principal: null,
            isUpToDate: true,
            storedAt: new Date(),
          })
        },
        () => undefined,
      )
    },
  }

  return registerPersistence(
    {
      async clear() {
        clearings += 1
        await (await storage())?.clear()
      },
    },
    Object.assign(wrapStream, { audiences }),
  )
}

/** Returns the offset in its shape's log that a request asks for; undefined for other requests. */
function offsetOf(params: URLSearchParams, init: RequestInit | undefined): string | undefined {
  const isSubset = [...params.keys()].some((key) => key.startsWith('subset__'))
  if (isSubset || (init?.method ?? 'GET') !== 'GET') return undefined
  const offset = params.get('offset')
  return offset === null || offset === 'now' ? undefined : offset
}

function isOfOther({ headers }: Response, log: readonly LogChunk[]): boolean {
  const [now, stored] = [headers.get(PRINCIPAL_HEADER), log.at(-1)?.principal ?? null]
  // The rights after the dot may have changed; the shape then has other rows, or another handle.
  return now !== null && stored !== null && now.split('.')[0] !== stored.split('.')[0]
}

function mustRefetch(response: Response): Response {
  void response.body?.cancel()
  return Response.json([{ headers: { control: 'must-refetch' } }], {
    status: 409,
    headers: { 'electric-handle': 'other' },
  })
}

async function withinTime<Value>(work: Promise<Value>): Promise<Value | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, MAX_READ_MS, undefined)
  })
  const value = await Promise.race([work, late])
  clearTimeout(timer)
  return value
}
