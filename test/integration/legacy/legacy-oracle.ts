/**
 * The expected result of an import into an empty tenant: written from `docs/cutover.md` in plain loops
 * over parsed JSON, without the importer.
 */

type Json = Record<string, unknown>

/** The arrays in the files; a record may be any JSON value. */
export interface LegacyFiles {
  readonly threads: readonly unknown[]
  readonly messages: readonly unknown[]
  readonly tools: readonly unknown[]
}

export interface ExpectedMessage {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly client_message_id: string | null
  readonly created_at: number
  readonly updated_at: number
  readonly metadata: Json
}

export interface ExpectedThread {
  /** Undefined for a thread created for messages without a threadId. */
  readonly id: string | undefined
  readonly session_id: string
  readonly mode: string
  readonly status: string
  /** Undefined for a created thread. */
  readonly title: string | undefined
  readonly metadata: Json
  readonly messages: ExpectedMessage[]
}

export interface Expected {
  readonly threads: ExpectedThread[]
  /** `file index` of records that cannot be imported. */
  readonly bad: Set<string>
  /** Records with the id of an earlier one: bad, or noted if they are equal. */
  readonly repeats: Set<string>
  /** Messages with the client id of another: noted. */
  readonly sameMessage: Set<string>
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const clean = (text: string) => text.replace(/\p{Surrogate}|\0/gu, '\uFFFD')
const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 128 && clean(value) === value
const isMode = (value: unknown) => value === 'session' || value === 'general'
const isNothing = (value: unknown) => value === undefined || value === null

function timeOf(value: unknown): number | undefined {
  const readable =
    typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d/.test(value))
  const date = new Date(readable ? (value as string) : Number.NaN)
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999
    ? undefined
    : date.getTime()
}

function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return clean(value)
  if (Array.isArray(value)) return value.map(cleanJson)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [clean(key), cleanJson(part)]),
  )
}

/** True for a known field with an invalid value, which is kept in metadata as well. */
const isOddTime = (value: unknown) =>
  !isNothing(value) &&
  (timeOf(value) === undefined || (typeof value === 'number' && value < 100_000_000_000))
const isOddMode = (value: unknown) => !isNothing(value) && !isMode(value)

function others(record: Json, known: readonly string[]): Json {
  const rest = Object.entries(record).filter(([key]) => !known.includes(key))
  return cleanJson(Object.fromEntries(rest)) as Json
}

interface Placed extends ExpectedMessage {
  readonly place: string
  readonly order: number
  readonly sessionId: string
  readonly mode: string
  readonly threadId: string | null
}

const PLACE = ['id', 'sessionId', 'threadId', 'mode']

function readMessage(
  record: unknown,
  place: string,
  order: number,
  before: number,
): Placed | undefined {
  if (!isObject(record) || !isId(record.id) || !isId(record.sessionId)) return undefined
  const threadId = isNothing(record.threadId) ? null : record.threadId
  if (threadId !== null && !isId(threadId)) return undefined
  if (threadId === null && !isMode(record.mode)) return undefined
  if (!['system', 'user', 'assistant', 'tool'].includes(record.role as string)) return undefined
  if (typeof record.content !== 'string') return undefined
  const client = isId(record.clientMessageId) ? record.clientMessageId : null
  const known = ['id', 'sessionId', 'threadId', 'role', 'content']
  if (!isOddMode(record.mode)) known.push('mode')
  if (client !== null || isNothing(record.clientMessageId)) known.push('clientMessageId')
  known.push(...['createdAt', 'updatedAt'].filter((name) => !isOddTime(record[name])))
  const created = timeOf(record.createdAt) ?? timeOf(record.updatedAt) ?? before
  return {
    ...{ place, order, threadId, id: record.id, sessionId: record.sessionId },
    mode: isMode(record.mode) ? (record.mode as string) : 'session',
    role: record.role as string,
    content: clean(record.content),
    client_message_id: client,
    created_at: created,
    updated_at: timeOf(record.updatedAt) ?? created,
    metadata: others(record, known),
  }
}

function readTool(
  record: unknown,
  place: string,
  order: number,
  before: number,
): Placed | undefined {
  if (!isObject(record) || typeof record.toolName !== 'string' || record.toolName === '') return
  const {
    startedAt,
    completedAt,
    toolName,
    arguments: _arguments,
    toolCallId: _id,
    ...rest
  } = record
  const read = readMessage(
    {
      ...{ role: 'tool', content: toolName, createdAt: startedAt, updatedAt: record.updatedAt },
      ...{ id: record.id, sessionId: record.sessionId, threadId: record.threadId },
      mode: isMode(record.mode) ? record.mode : 'session',
    },
    place,
    order,
    before,
  )
  if (read === undefined) return
  const known = isOddMode(record.mode) ? PLACE.slice(0, 3) : PLACE
  const metadata = others({ ...rest, startedAt, completedAt }, known)
  return { ...read, updated_at: timeOf(completedAt) ?? read.created_at, metadata }
}

export function expectedOf(files: LegacyFiles): Expected {
  const result = {
    bad: new Set<string>(),
    repeats: new Set<string>(),
    sameMessage: new Set<string>(),
  }
  const records = readRecords(files.threads, result)
  const placed = readMessages(files, result)
  const active = activeOf(records)
  const threads = new Map<string, ExpectedThread>()
  for (const record of records.values()) {
    const key = `${record.sessionId} ${record.mode}`
    threads.set(`id ${record.id}`, {
      ...{ id: record.id as string, session_id: record.sessionId as string },
      ...{ mode: record.mode as string, messages: [] },
      title:
        typeof record.title === 'string' && record.title !== '' ? clean(record.title) : undefined,
      metadata: threadMetadata(record),
      status: active.get(key) === record.id ? 'active' : 'archived',
    })
  }
  const inOrder = [...placed].sort((a, b) => a.created_at - b.created_at || a.order - b.order)
  for (const message of inOrder) {
    const { sessionId, mode } = message
    const key = `${sessionId} ${mode}`
    const named = message.threadId ?? active.get(key)
    const name = named === undefined ? `made ${key}` : `id ${named}`
    const thread: ExpectedThread = threads.get(name) ?? {
      ...{ id: named, session_id: sessionId, mode, title: undefined, messages: [] },
      metadata: { recovered: true },
      status: named === undefined ? 'active' : 'archived',
    }
    threads.set(name, thread)
    const { place, order: _order, sessionId: _s, mode: _m, threadId: _t, ...row } = message
    const isSame =
      row.client_message_id !== null &&
      thread.messages.some((other) => other.client_message_id === row.client_message_id)
    if (isSame) result.sameMessage.add(place)
    else thread.messages.push(row)
  }
  return { threads: [...threads.values()], ...result }
}

function threadMetadata(record: Json): Json {
  const { title, status, messageCount } = record
  const known = ['id', 'sessionId', 'mode', 'lastMessagePreview', 'lastMessageAt']
  if (isNothing(title) || typeof title === 'string') known.push('title')
  if (isNothing(status) || ['active', 'archived'].includes(status as string)) known.push('status')
  if (isNothing(messageCount) || Number.isSafeInteger(messageCount)) known.push('messageCount')
  known.push(...['createdAt', 'updatedAt'].filter((name) => !isOddTime(record[name])))
  return others(record, known)
}

type Found = Pick<Expected, 'bad' | 'repeats'>

function readRecords(threads: readonly unknown[], { bad, repeats }: Found): Map<string, Json> {
  const records = new Map<string, Json>()
  for (const [index, record] of threads.entries()) {
    const place = `chat-threads.json ${index}`
    if (!isObject(record) || !isId(record.id) || !isId(record.sessionId) || !isMode(record.mode)) {
      bad.add(place)
    } else if (records.has(record.id)) repeats.add(place)
    else records.set(record.id, record)
  }
  return records
}

function readMessages(files: LegacyFiles, { bad, repeats }: Found): Placed[] {
  const placed = new Map<string, Placed>()
  for (const [file, records, read] of [
    ['chat-messages.json', files.messages, readMessage],
    ['chat-tool-events.json', files.tools, readTool],
  ] as const) {
    let before = 0
    for (const [index, record] of records.entries()) {
      const place = `${file} ${index}`
      const message = read(record, place, placed.size, before)
      if (message === undefined) bad.add(place)
      else if (placed.has(message.id)) repeats.add(place)
      else placed.set(message.id, message)
      before = message?.created_at ?? before
    }
  }
  return [...placed.values()]
}

/** The newest active thread of each session and mode; with equal times the later record. */
function activeOf(records: ReadonlyMap<string, Json>): Map<string, string> {
  const newest = new Map<string, { id: string; at: number }>()
  for (const record of records.values()) {
    if (record.status !== 'active') continue
    const key = `${record.sessionId} ${record.mode}`
    const at = timeOf(record.createdAt) ?? timeOf(record.updatedAt) ?? 0
    if (at >= (newest.get(key)?.at ?? Number.NEGATIVE_INFINITY)) {
      newest.set(key, { id: record.id as string, at })
    }
  }
  return new Map([...newest].map(([key, { id }]) => [key, id]))
}
