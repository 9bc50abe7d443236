import { SessionDbError } from '../../errors.ts'

/** What Postgres or its driver said, as far as it matters here. */
interface DatabaseFailure {
  readonly code: string
  readonly constraint: string | undefined
  readonly message: string
}

function readFailure(error: unknown): DatabaseFailure {
  if (typeof error !== 'object' || error === null) {
    return { code: '', constraint: undefined, message: String(error) }
  }
  const { code, message, ...rest } = error as Record<string, unknown>
  // As pg names it, and as postgres.js does.
  const constraint = rest.constraint ?? rest.constraint_name
  return {
    code: typeof code === 'string' ? code : '',
    constraint: typeof constraint === 'string' ? constraint : undefined,
    message: typeof message === 'string' ? message : '',
  }
}

const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
const FOREIGN_KEY_VIOLATION = '23503'
const UNIQUE_VIOLATION = '23505'
const UNDEFINED_TABLE = '42P01'
const UNDEFINED_COLUMN = '42703'

/** Races that the next attempt decides properly: it sees what the other one committed. */
const RACES = new Set([SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FOREIGN_KEY_VIOLATION])

/** Constraints that the store's own statements keep, unless they lose a race. */
const RACED_CONSTRAINTS = new Set([
  'chat_threads_active_key',
  'chat_messages_client_message_id_key',
  'chat_messages_position_key',
])

/** Whether the same batch, tried again at once, may well succeed. `attempt` counts from 1. */
export function isWorthRetrying(error: unknown, attempt: number): boolean {
  const { code, constraint } = readFailure(error)
  if (RACES.has(code)) return true
  if (code !== UNIQUE_VIOLATION) return false
  // A taken id may be this very message, appended by a concurrent batch: one more look decides.
  return attempt === 1 || RACED_CONSTRAINTS.has(constraint ?? '')
}

/** Whether a new row's id, or an event's place in its timeline, is taken. */
export function isTaken(error: unknown): boolean {
  return readFailure(error).code === UNIQUE_VIOLATION
}

/** Whether the batch id is taken. */
export function isBatchTaken(error: unknown): boolean {
  return isTaken(error) && readFailure(error).constraint === 'applied_batches_pkey'
}

/** Whether Postgres said it. By its form, not by its class: an app may have another copy of the driver. */
export function isDatabaseError(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(readFailure(error).code) && Reflect.has(Object(error), 'severity')
}

/** Turns whatever a statement failed with into an error of this library. */
export function fromDatabaseError(cause: unknown): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  const { code, constraint, message } = readFailure(cause)
  if (code === UNIQUE_VIOLATION) {
    const what =
      constraint === 'timeline_events_seq_key'
        ? 'A seq in this batch is taken in its session'
        : 'An id in this batch is taken'
    return new SessionDbError('conflict', `${what}. Use another one.`, { cause })
  }
  // Class 22, data exceptions: a value that validation let through and its column cannot hold.
  if (/^22...$/.test(code)) {
    return new SessionDbError('invalid', `The database cannot store a value: ${message}.`, {
      cause,
    })
  }
  if (code === UNDEFINED_TABLE || code === UNDEFINED_COLUMN) {
    return new SessionDbError(
      'unavailable',
      'The database does not have the schema that this version needs. Run `session-db migrate`.',
      { cause },
    )
  }
  return new SessionDbError(
    'unavailable',
    'The database could not make the write just now. Try again with the same batch id.',
    { cause },
  )
}
