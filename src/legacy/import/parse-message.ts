import type { JsonObject } from '../../schema/fields.ts'
import { MAX_ID_LENGTH } from '../../schema/limits.ts'
import { storableText } from '../../timeline/events.ts'
import { type LegacyMessage, legacyModes } from './legacy-records.ts'
import { asBadRecord, BadRecordError, type RecordFields } from './record-fields.ts'
import { storableObject } from './storable-json.ts'

const PLACE = ['id', 'sessionId', 'threadId', 'mode'] as const
const ROLES = ['system', 'user', 'assistant', 'tool'] as const
const MESSAGE_FIELDS = new Set([
  ...PLACE,
  ...['role', 'content', 'clientMessageId', 'createdAt', 'updatedAt'],
])

/**
 * Understands one record of `chat-messages.json`. Fields without a column (misalignmentId,
 * evidence, contextEvents and whatever else there is) go to metadata.
 *
 * @param previousTime stands in for a missing time, so that the message keeps its place in the file.
 * @throws BadRecordError when the message cannot be placed, or has no text or role.
 */
export function parseMessage(
  fields: RecordFields,
  index: number,
  previousTime: Date,
): LegacyMessage {
  const role = fields.oneOf('role', ROLES)
  if (role === undefined) {
    throw new BadRecordError('role: must be system, user, assistant or tool')
  }
  const content = fields.text('content')
  if (content === undefined) throw new BadRecordError('content: must be a text')
  const mode = fields.oneOf('mode', legacyModes) ?? null
  const threadId = fields.optionalId('threadId')
  if (threadId === null && mode === null) {
    throw new BadRecordError('mode: must be session or general where there is no threadId')
  }
  const createdAt = readTime(fields, 'createdAt', previousTime)
  const clientMessageId = readClientMessageId(fields)
  return {
    file: 'chat-messages.json',
    index,
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
 * Understands one record of `chat-tool-events.json`: a message with role `tool` at the time the
 * tool was started, its call as one part as the AI SDK has it.
 *
 * One that names no thread goes to the active one of its session, like a message.
 *
 * @throws BadRecordError when it has no id or session, or names no tool.
 */
export function parseToolEvent(
  fields: RecordFields,
  index: number,
  previousTime: Date,
): LegacyMessage {
  const toolName = fields.text('toolName')
  if (!toolName) throw new BadRecordError('toolName: must be a text')
  const createdAt = readTime(fields, 'startedAt', previousTime)
  const { part, used } = toolPart(fields, toolName)
  return {
    file: 'chat-tool-events.json',
    index,
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
    metadata: fields.others(new Set([...PLACE, 'toolName', ...used])),
  }
}

/** The call as the AI SDK has it, with its outcome where there is one. */
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
          fields.note('arguments or result: what Postgres cannot store was replaced'),
        onInexact: () =>
          fields.note('arguments or result: a number there is larger than can be read exactly'),
      },
    ),
  )
  const used = ['toolCallId', 'arguments', ...(failed ? ['error'] : hasResult ? ['result'] : [])]
  return { part, used }
}

function readTime(fields: RecordFields, name: string, previousTime: Date): Date {
  const time = fields.time(name)
  if (time !== undefined) return time
  const updatedAt = fields.time('updatedAt')
  fields.note(`${name}: ${updatedAt ? 'updatedAt' : 'the time of the record before'} was put`)
  return updatedAt ?? previousTime
}

function readClientMessageId(fields: RecordFields): string | null {
  const value = fields.value('clientMessageId')
  if (value === undefined || value === null) return null
  const isId = typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH
  if (isId && storableText(value) === value) return value
  fields.keep('clientMessageId', 'is no id')
  return null
}
