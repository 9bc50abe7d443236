import { MAX_TITLE_LENGTH } from '../../schema/limits.ts'
import {
  defaultThreadTitle,
  type LegacyMode,
  type LegacyThread,
  legacyModes,
} from './legacy-records.ts'
import { BadRecordError, type RecordFields } from './record-fields.ts'

const EPOCH = new Date(0)
const THREAD_FIELDS = new Set([
  ...['id', 'sessionId', 'mode', 'title', 'status', 'createdAt', 'updatedAt'],
  ...['messageCount', 'lastMessagePreview', 'lastMessageAt'],
])

/**
 * Understands one record of `chat-threads.json`. What is derived from messages (count, preview,
 * last time) is left to the database; fields it does not know go to metadata.
 *
 * @throws BadRecordError without id, session or mode.
 */
export function parseThread(fields: RecordFields, index: number): LegacyThread {
  const id = fields.id('id')
  const sessionId = fields.id('sessionId')
  const mode = fields.oneOf('mode', legacyModes)
  if (mode === undefined) throw new BadRecordError('mode: must be session or general')
  const createdAt = fields.time('createdAt') ?? fields.time('updatedAt') ?? EPOCH
  if (fields.time('createdAt') === undefined) {
    fields.note(`createdAt: ${createdAt === EPOCH ? 'the start of 1970' : 'updatedAt'} was put`)
  }
  return {
    index,
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
    fields.note('title: the default was put')
    return defaultThreadTitle(mode, 1)
  }
  const characters = [...title]
  if (characters.length <= MAX_TITLE_LENGTH) return title
  fields.keep('title', `was cut to ${MAX_TITLE_LENGTH} characters`)
  return characters.slice(0, MAX_TITLE_LENGTH).join('')
}

function readStatus(fields: RecordFields): 'active' | 'archived' {
  const status = fields.oneOf('status', ['active', 'archived'])
  if (status === undefined) fields.note('status: taken as archived')
  return status ?? 'archived'
}
