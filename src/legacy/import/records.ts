import {
  type JsonObject,
  type JsonValue,
  MAX_ID_LENGTH,
  MAX_TITLE_LENGTH,
} from '../../schema/fields.ts'
import { storableText } from '../../timeline/events.ts'
import { asBadRecord, BadRecordError, type RecordFields, storableObject } from './record-fields.ts'

/** The records of the old app's files, and how each is read. */

export const legacyModes = ['session', 'general'] as const

/** A thread is about its session (`session`) or anything (`general`). */
export type LegacyMode = (typeof legacyModes)[number]

/** A record of `chat-threads.json`. */
export interface LegacyThread {
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly title: string
  readonly status: 'active' | 'archived'
  readonly declaredCount: number | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly metadata: JsonObject
}

/** A record of `chat-messages.json` or `chat-tool-events.json`. */
export interface LegacyMessage {
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode | null
  /** Null for messages from before there were threads. */
  readonly threadId: string | null
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly parts: readonly JsonValue[]
  readonly clientMessageId: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly metadata: JsonObject
}

const EPOCH = new Date(0)
const THREAD_FIELDS = new Set([
  ...['id', 'sessionId', 'mode', 'title', 'status', 'createdAt', 'updatedAt'],
  ...['messageCount', 'lastMessagePreview', 'lastMessageAt'],
])
const PLACE_FIELDS = ['id', 'sessionId', 'threadId', 'mode'] as const
const MESSAGE_FIELDS = new Set([
  ...PLACE_FIELDS,
  ...['role', 'content', 'clientMessageId', 'createdAt', 'updatedAt'],
])
const ROLES = ['system', 'user', 'assistant', 'tool'] as const

/**
 * Reads a record of `chat-threads.json`. The count, preview and last time follow from the messages
 * and are not kept; unknown fields go to metadata.
 *
 * @throws BadRecordError without id, session or mode.
 */
export function parseThread(fields: RecordFields): LegacyThread {
  const id = fields.id('id')
  const sessionId = fields.id('sessionId')
  const mode = fields.oneOf('mode', legacyModes)
  if (mode === undefined) throw new BadRecordError('mode: must be session or general')
  const createdAt = readTime(fields, 'createdAt', EPOCH, '1970-01-01')
  return {
    id,
    sessionId,
    mode,
    title: readTitle(fields, mode),
    status: readStatus(fields),
    declaredCount: fields.count('messageCount') ?? null,
    createdAt,
    updatedAt: fields.time('updatedAt') ?? createdAt,
    metadata: fields.others(THREAD_FIELDS),
  }
}

function readTitle(fields: RecordFields, mode: LegacyMode): string {
  const title = fields.text('title')
  if (!title) {
    fields.note('title: missing; used the default')
    return defaultThreadTitle(mode, 1)
  }
  const characters = [...title]
  if (characters.length <= MAX_TITLE_LENGTH) return title
  fields.keep('title', `cut to ${MAX_TITLE_LENGTH} characters`)
  return characters.slice(0, MAX_TITLE_LENGTH).join('')
}

function readStatus(fields: RecordFields): 'active' | 'archived' {
  const status = fields.oneOf('status', ['active', 'archived'])
  if (status === undefined) fields.note('status: imported as archived')
  return status ?? 'archived'
}

/**
 * Reads a record of `chat-messages.json`. Fields without a column (misalignmentId, evidence,
 * contextEvents and unknown ones) go to metadata.
 *
 * @param previousTime used when the record has no time, so that it keeps its place in the file
 * @throws BadRecordError when the message has no id, session, thread or mode, role or content.
 */
export function parseMessage(fields: RecordFields, previousTime: Date): LegacyMessage {
  const role = fields.oneOf('role', ROLES)
  if (role === undefined) {
    throw new BadRecordError('role: must be system, user, assistant or tool')
  }
  const content = fields.text('content')
  if (content === undefined) throw new BadRecordError('content: must be a string')
  const mode = fields.oneOf('mode', legacyModes) ?? null
  const threadId = fields.optionalId('threadId')
  if (threadId === null && mode === null) {
    throw new BadRecordError('mode: must be session or general if there is no threadId')
  }
  const createdAt = readTime(fields, 'createdAt', previousTime, "the previous record's")
  const clientMessageId = readClientMessageId(fields)
  return {
    id: fields.id('id'),
    sessionId: fields.id('sessionId'),
    mode,
    threadId,
    role,
    content,
    parts: [],
    clientMessageId,
    createdAt,
    updatedAt: fields.time('updatedAt') ?? createdAt,
    metadata: fields.others(MESSAGE_FIELDS),
  }
}

/**
 * Reads a record of `chat-tool-events.json` as a message of role `tool`, at the time the tool was
 * started, with the call as one AI SDK part. Without a thread it goes to the active thread of its
 * session, as a message does.
 *
 * @throws BadRecordError when it has no id, session or tool name.
 */
export function parseToolEvent(fields: RecordFields, previousTime: Date): LegacyMessage {
  const toolName = fields.text('toolName')
  if (!toolName) throw new BadRecordError('toolName: must be a string')
  const createdAt = readTime(fields, 'startedAt', previousTime, "the previous record's")
  const { part, used } = toolPart(fields, toolName)
  return {
    id: fields.id('id'),
    sessionId: fields.id('sessionId'),
    mode: fields.oneOf('mode', legacyModes) ?? null,
    threadId: fields.optionalId('threadId'),
    role: 'tool',
    content: toolName,
    parts: [part],
    clientMessageId: null,
    createdAt,
    updatedAt: fields.time('completedAt') ?? createdAt,
    metadata: fields.others(new Set([...PLACE_FIELDS, 'toolName', ...used])),
  }
}

/** The call as an AI SDK part, with its output or error if there is one. */
function toolPart(
  fields: RecordFields,
  toolName: string,
): { readonly part: JsonObject; readonly used: readonly string[] } {
  const result = fields.value('result')
  const error = fields.value('error')
  const hasResult = result !== undefined && result !== null
  const failed = typeof error === 'string' && error !== ''
  const outcome = failed
    ? { state: 'output-error', errorText: error }
    : hasResult
      ? { state: 'output-available', output: result }
      : { state: 'input-available' }
  const part = asBadRecord(() =>
    storableObject(
      {
        type: 'dynamic-tool',
        toolName,
        toolCallId: fields.value('toolCallId') ?? fields.value('id'),
        input: fields.value('arguments') ?? {},
        ...outcome,
      },
      {
        onReplaced: () =>
          fields.note('arguments or result: replaced characters that Postgres cannot store'),
        onInexact: () =>
          fields.note('arguments or result: a number is too large to be read exactly'),
      },
    ),
  )
  const used = ['toolCallId', 'arguments', ...(failed ? ['error'] : hasResult ? ['result'] : [])]
  return { part, used }
}

function readTime(fields: RecordFields, name: string, fallback: Date, fallbackName: string): Date {
  const time = fields.time(name)
  if (time !== undefined) return time
  const updatedAt = fields.time('updatedAt')
  fields.note(`${name}: missing; used ${updatedAt ? 'updatedAt' : fallbackName}`)
  return updatedAt ?? fallback
}

function readClientMessageId(fields: RecordFields): string | null {
  const value = fields.value('clientMessageId')
  if (value === undefined || value === null) return null
  const isId = typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH
  if (isId && storableText(value) === value) return value
  fields.keep('clientMessageId', 'not a valid id')
  return null
}

/** The title that the old app gave a new thread: the second of its kind is `#2`. */
export function defaultThreadTitle(mode: LegacyMode, number: number): string {
  const title = mode === 'session' ? 'Session Coach' : 'General'
  return number <= 1 ? title : `${title} #${number}`
}

const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\uFFFD]/u
const MAX_TITLE_SHOWN = 100

/**
 * Returns a readable title for a session of which only the id is known. The old app's ids contain the
 * beginning of the uploaded file's path, in hexadecimal.
 *
 * @example
 * sessionTitle('session-75706c6f6164732f612e6a736f6e6c') // 'uploads/a.jsonl'
 */
export function sessionTitle(sessionId: string): string {
  if (sessionId === 'session-default') return 'Default session'
  const hex = /^session-((?:[0-9a-f]{2}){4,})$/.exec(sessionId)?.[1]
  const path = hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('utf8')
  const title = path === undefined || NOT_PRINTABLE.test(path) ? sessionId : path
  return [...title].slice(0, MAX_TITLE_SHOWN).join('')
}
