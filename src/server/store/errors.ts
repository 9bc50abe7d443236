import { SessionDbError } from '../../errors.ts'
import type { Mutation } from '../../writes/index.ts'
import { explainConnectionError } from '../database-failure.ts'

const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
const FOREIGN_KEY_VIOLATION = '23503'
const UNIQUE_VIOLATION = '23505'
const UNDEFINED_TABLE = '42P01'
/** Errors of prepared statements behind a pooler: one is missing, or exists already. */
const UNPREPARED = new Set(['26000', '42P05'])
const QUERY_CANCELED = '57014'
const UNDEFINED_COLUMN = '42703'

/** Races that the next attempt decides, because it sees what the other transaction committed. */
const RACES = new Set([SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FOREIGN_KEY_VIOLATION])

/** Constraints that the store's own statements only violate when they lose a race. */
const RACED_CONSTRAINTS = new Set([
  'chat_threads_active_key',
  'chat_messages_client_message_id_key',
  'chat_messages_position_key',
])

/**
 * Returns whether a pooler gave a prepared statement to a connection that doesn't have it, or has it
 * already. The driver no longer prepares on the next attempt.
 */
export function isUnprepared(error: unknown): boolean {
  return UNPREPARED.has(readFailure(error).code)
}

/** Repeats `work` once after such an error. */
export async function retryUnprepared<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUnprepared(error)) throw error
    return work()
  }
}

/** Returns whether an immediate retry of the same batch may succeed. `attempt` counts from 1. */
export function isWorthRetrying(error: unknown, attempt: number): boolean {
  const { code, constraint } = readFailure(error)
  if (RACES.has(code) || UNPREPARED.has(code)) return true
  if (code !== UNIQUE_VIOLATION) return false
  // A taken id may be this very message, stored by a concurrent batch: the second attempt finds it.
  return attempt === 1 || RACED_CONSTRAINTS.has(constraint ?? '')
}

/** Returns whether a new row's id, or an event's position in its timeline, is taken. */
export function isTaken(error: unknown): boolean {
  return readFailure(error).code === UNIQUE_VIOLATION
}

/** Returns whether the batch id is taken. */
export function isBatchTaken(error: unknown): boolean {
  return isTaken(error) && readFailure(error).constraint === 'applied_batches_pkey'
}

/**
 * Returns whether an error comes from Postgres. It looks at the error's fields and not at its class,
 * because an app may have another copy of the driver.
 */
export function isDatabaseError(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(readFailure(error).code) && Reflect.has(Object(error), 'severity')
}

/**
 * Throws the error of a statement: one of Postgres as it is, because the caller knows what it means, and
 * any other, such as a refused or broken connection, as a `SessionDbError`.
 */
export function refuseUnreachable(error: unknown): never {
  throw isDatabaseError(error) ? error : fromDatabaseError(error)
}

/** Converts the error of a statement into a `SessionDbError`. */
export function fromDatabaseError(cause: unknown): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  const { code, constraint } = readFailure(cause)
  if (code === UNIQUE_VIOLATION) return takenError(constraint === 'timeline_events_seq_key', cause)
  // Class 22, data exceptions: a value passed validation but does not fit its column.
  if (/^22...$/.test(code)) {
    return new SessionDbError(
      'invalid',
      'The database cannot store a value in this batch: it is out of range or malformed. Check its numbers, dates and texts.',
      { cause },
    )
  }
  if (code === QUERY_CANCELED) {
    return new SessionDbError(
      'too_large',
      'The database took too long and cancelled the request. Ask for less, or write in smaller batches.',
      { cause },
    )
  }
  if (code === UNDEFINED_TABLE || code === UNDEFINED_COLUMN) {
    return new SessionDbError(
      'unavailable',
      'The database does not have the schema that this version needs. Run `session-db migrate`.',
      { cause },
    )
  }
  const explanation = explainConnectionError(cause)
  if (explanation !== undefined) {
    // Clients see the message; hosts and roles are for the server's log only.
    return new SessionDbError(
      'unavailable',
      "The server cannot connect to its database; the reason is in the server's log. Send the write again with the same batch id.",
      { cause: new Error(explanation, { cause }) },
    )
  }
  return new SessionDbError(
    'unavailable',
    'The database could not apply the write. Send it again with the same batch id.',
    { cause },
  )
}

/** The error for a new row whose id, or whose seq in its session, is in use. */
export function takenError(isSeq: boolean, cause?: unknown): SessionDbError {
  const what = isSeq
    ? 'A seq in this batch is already used in its session'
    : 'An id in this batch is already used'
  return new SessionDbError('conflict', `${what}. Choose another one.`, { cause })
}

/** The error for a batch id that was used for another batch. */
export function reusedBatchIdError(): SessionDbError {
  return new SessionDbError(
    'conflict',
    'This batch id was used for another batch. Create a new id for every batch.',
  )
}

interface DatabaseFailure {
  readonly code: string
  readonly constraint: string | undefined
}

function readFailure(error: unknown): DatabaseFailure {
  if (typeof error !== 'object' || error === null) {
    return { code: '', constraint: undefined }
  }
  const { code, ...rest } = error as Record<string, unknown>
  // The field's name in pg and in postgres.js.
  const constraint = rest.constraint ?? rest.constraint_name
  return {
    code: typeof code === 'string' ? code : '',
    constraint: typeof constraint === 'string' ? constraint : undefined,
  }
}

/** The outcome of a mutation. `permitted` is null when the principal sees no such row. */
export interface MutationOutcome {
  readonly permitted: boolean | null
  /** The row's version before the write. */
  readonly current: number | null
  /** The limit in `WriteLimits` that the write would exceed, or the property that refers to a missing message. */
  readonly problem?: string | null
}

const REFUSED = 'SDB01'

/** Returns the outcome that the SQL function `session_db_refuse` reports in its error. */
export function refusedOutcome(error: unknown): MutationOutcome | undefined {
  if (readFailure(error).code !== REFUSED) return undefined
  return JSON.parse((error as { readonly detail: string }).detail) as MutationOutcome
}

/**
 * Explains why a mutation was refused. A row the principal may not see and a row that does not exist
 * give the same error, word for word.
 */
export function refusal(
  mutation: Mutation,
  index: number,
  { permitted, current: currentVersion, problem }: MutationOutcome,
): SessionDbError {
  const where = `mutations[${index}]`
  const details = { mutation: index, collection: mutation.collection }
  if (permitted === null) {
    return new SessionDbError('not_found', `${where}: ${missing(mutation)}`, { details })
  }
  if (!permitted) {
    const message = `${where}: You don't have permission to ${deed(mutation)}.`
    return new SessionDbError('forbidden', message, { details })
  }
  if (problem === 'parentId' || problem === 'headId') {
    const message = `${where}: ${problem} must be the id of a message in the same thread. It may have been deleted.`
    return new SessionDbError('not_found', message, { details: { ...details, property: problem } })
  }
  if (typeof problem === 'string') return tooMany(where, problem, details)
  if (mutation.type === 'append') {
    const message =
      `${where}: The message no longer takes this delta: it has ended, another writer resumed it, ` +
      'or it has a different delta with this number. Resume the message to continue.'
    return new SessionDbError('conflict', message, { details })
  }
  return new SessionDbError(
    'conflict',
    `${where}: The row has changed since you read it and is now at version ${currentVersion}. ` +
      'Read it again before you change it.',
    { details: { ...details, currentVersion } },
  )
}

/** Creates the error for a row that would exceed a limit of `WriteLimits`. */
export function tooMany(where: string, name: string, details: object): SessionDbError {
  const isPassing = name === 'maxStreamingMessages' || name === 'maxStreamingPerThread'
  const message = `${where}: ${EXCEEDED[name] ?? TOO_LONG} (${name})`
  return new SessionDbError(isPassing ? 'rate_limited' : 'too_large', message, {
    details: { ...details, name, ...(isPassing && { retryAfterMs: 5_000 }) },
  })
}

const TOO_LONG =
  'The streamed message would exceed its limit. End it, and continue in another message.'

const EXCEEDED: Readonly<Record<string, string>> = {
  maxStreamingMessages: 'You have too many unfinished messages. Wait until some have ended.',
  maxStreamingPerThread:
    'The thread has too many unfinished messages of its author. Wait until some have ended.',
  maxThreads: 'You have too many threads in this session. Delete some first.',
  maxGrantsPerUser:
    'You have shared sessions with too many grantees in total. Share them with a group, or remove some first.',
  maxGrants:
    'The session is shared with too many grantees. Share it with a group, or remove some first.',
}

/** Creates the error for a row that is not there, or that the principal may not see: clients can't tell which. */
export function missingRow(what: string): SessionDbError {
  return new SessionDbError('not_found', `There is no such ${what}, or it is not shared with you.`)
}

function missing(mutation: Mutation): string {
  if (mutation.type === 'set') {
    const parent = mutation.collection === 'threadStates' ? 'thread' : 'message'
    return `There is no such ${parent}, or it is not shared with you.`
  }
  if (mutation.type !== 'insert') {
    return `There is no such row in ${mutation.collection}, or it is not shared with you.`
  }
  const parent = mutation.collection === 'chatMessages' ? 'thread' : 'session'
  return `Its ${parent} does not exist, or is not shared with you.`
}

function deed({ type, collection }: Mutation): string {
  const row = ROW_NAMES[collection]
  if (type === 'insert') return `add this ${row}`
  return `${type === 'append' ? 'append to' : type === 'update' ? 'change' : 'delete'} this ${row}`
}

const ROW_NAMES = {
  sessions: 'session',
  sessionGrants: 'grant',
  timelineEvents: 'event',
  chatThreads: 'thread',
  chatMessages: 'message',
  threadStates: 'state of a thread',
  messageFeedback: 'feedback',
} as const
