import { type CollectionName, tables } from '../../../../src/schema/tables.ts'

const COLLECTION_OF: Record<string, CollectionName> = {
  sessions: 'sessions',
  'session-timeline': 'timelineEvents',
  'session-timeline-window': 'timelineEvents',
  'session-threads': 'chatThreads',
  'session-messages': 'chatMessages',
  'thread-messages': 'chatMessages',
}

const TYPE_NAMES = { 'timestamp with time zone': 'timestamptz', bigint: 'int8', integer: 'int4' }

interface Message {
  readonly key?: string
  readonly value?: Record<string, string | null>
  readonly headers: Record<string, unknown>
}

interface Log {
  readonly name: string
  handle: string
  snapshot: Message[]
  /** One entry per live answer still to come or already given. */
  answers: Message[][]
  readonly held: Set<() => void>
  refusal: Response | undefined
}

const UP_TO_DATE: Message = { headers: { control: 'up-to-date', global_last_seen_lsn: '1' } }

/** A shape endpoint whose every answer the test decides. */
export interface HandDrivenShapes {
  readonly fetch: typeof fetch
  /** Full URLs asked for, oldest first. */
  readonly requests: URL[]
  /** Rows of the first snapshot, as the database has them. */
  seed(shape: string, rows: readonly object[], snapshot?: Record<string, unknown>): void
  /** Answers the live request of a shape with these changes. */
  push(shape: string, messages: readonly Message[]): void
  /** Every request of the shape is answered with this status from now on. */
  refuse(shape: string, status: number, body?: unknown): void
  /** Invalidates the shape: the next request gets a 409, then the rows given now. */
  rotate(shape: string, rows: readonly object[], snapshot?: Record<string, unknown>): void
}

/** Makes one change message in wire form, of a row in the form TypeScript has it. */
export function change(
  shape: string,
  operation: 'insert' | 'update' | 'delete',
  row: object,
  headers: Record<string, unknown> = {},
): Message {
  const id = String(Reflect.get(row, 'id'))
  return { key: `"t"/"${id}"`, value: toWire(shape, row), headers: { operation, ...headers } }
}

export function createHandDrivenShapes(): HandDrivenShapes {
  const logs = new Map<string, Log>()
  const requests: URL[] = []

  const logOf = (shape: string): Log => {
    const found = logs.get(shape)
    if (found !== undefined) return found
    const log: Log = {
      name: shape,
      handle: newHandle(shape),
      snapshot: [],
      answers: [],
      held: new Set(),
      refusal: undefined,
    }
    logs.set(shape, log)
    return log
  }

  const seed: HandDrivenShapes['seed'] = (shape, rows, snapshot) => {
    const log = logOf(shape)
    const inserts = rows.map((row) => change(shape, 'insert', row))
    const end =
      snapshot === undefined ? [] : [{ headers: { control: 'snapshot-end', ...snapshot } }]
    log.snapshot = [...inserts, ...end]
  }

  return {
    requests,
    seed,
    push(shape, messages) {
      const log = logOf(shape)
      log.answers.push([...messages, UP_TO_DATE])
      wake(log)
    },
    refuse(shape, status, body = { error: { code: 'forbidden', message: 'no' } }) {
      const log = logOf(shape)
      log.refusal = Response.json(body, { status })
      wake(log)
    },
    rotate(shape, rows, snapshot) {
      const log = logOf(shape)
      log.handle = newHandle(shape)
      log.answers = []
      seed(shape, rows, snapshot)
      wake(log)
    },
    fetch: async (input, init) => {
      const url = new URL(String(input))
      // Without a list of audiences, every shape is the principal's own.
      if (/\/_(live|audiences)$/.test(url.pathname)) return new Response(null, { status: 404 })
      requests.push(url)
      const name = url.pathname.split('/').at(-1) ?? ''
      const own = name === 'thread-messages' ? ['threadId'] : ['sessionId', 'fromSeq']
      const params = own.map((param) => url.searchParams.get(param))
      const log = logOf([name, ...params.filter((value) => value !== null)].join('/'))
      return await answer(log, url, init?.signal ?? undefined)
    },
  }
}

let handles = 0

/** Never the same twice: the client remembers which handles have expired. */
function newHandle(shape: string): string {
  handles += 1
  return `${shape}-${handles}`
}

function wake({ held }: Log): void {
  for (const release of held) release()
}

/** Waits for `wake`; a request that is aborted leaves nothing behind. */
function hold({ held }: Log, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const release = () => {
      held.delete(release)
      if (signal?.aborted) reject(signal.reason)
      else resolve()
    }
    held.add(release)
    if (signal?.aborted) release()
    signal?.addEventListener('abort', release, { once: true })
  })
}

async function answer(log: Log, url: URL, signal: AbortSignal | undefined): Promise<Response> {
  if (log.refusal !== undefined) return log.refusal.clone()
  const offset = url.searchParams.get('offset') ?? '-1'
  if (offset === '-1') return respond(log, '0_0', log.snapshot, {})
  if (url.searchParams.get('handle') !== log.handle) return mustRefetch(log)
  if (url.searchParams.get('live') !== 'true')
    return respond(log, offset, [UP_TO_DATE], { upToDate: true })
  const seen = Number(offset.split('_')[0])
  const next = log.answers[seen]
  if (next !== undefined)
    return respond(log, `${seen + 1}_0`, next, { upToDate: true, isLive: true })
  await hold(log, signal)
  return await answer(log, url, signal)
}

function mustRefetch(log: Log): Response {
  return Response.json([{ headers: { control: 'must-refetch' } }], {
    status: 409,
    headers: { 'electric-handle': log.handle },
  })
}

let cursor = 1

function respond(
  log: Log,
  offset: string,
  messages: Message[],
  { upToDate = false, isLive = false },
): Response {
  return Response.json(messages, {
    headers: {
      'electric-handle': log.handle,
      'electric-offset': offset,
      'electric-schema': JSON.stringify(schemaOf(log.name)),
      ...(upToDate ? { 'electric-up-to-date': '' } : {}),
      // Only live answers carry a cursor; a repeated one would look like a cached answer.
      ...(isLive ? { 'electric-cursor': String(cursor++) } : {}),
    },
  })
}

function columnsOf(shape: string) {
  const collection = COLLECTION_OF[shape.split('/')[0] ?? '']
  if (collection === undefined) throw new Error(`no such shape: ${shape}`)
  return tables[collection].columns
}

function schemaOf(shape: string): Record<string, { type: string }> {
  return Object.fromEntries(
    Object.values(columnsOf(shape)).map(({ name, type }) => [
      name,
      { type: TYPE_NAMES[type as keyof typeof TYPE_NAMES] ?? type },
    ]),
  )
}

function toWire(shape: string, row: object): Record<string, string | null> {
  const columns: Record<string, { readonly name: string }> = columnsOf(shape)
  return Object.fromEntries(
    Object.entries(row).map(([property, value]) => [
      columns[property]?.name ?? property,
      textOf(value),
    ]),
  )
}

function textOf(value: unknown): string | null {
  if (value === null) return null
  if (value instanceof Date) return value.toISOString().replace('T', ' ').replace('Z', '+00')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
