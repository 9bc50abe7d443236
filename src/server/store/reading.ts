import { type RawBuilder, sql } from 'kysely'
import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import {
  type ChatMessage,
  type ChatThread,
  type ColumnDefinition,
  type ColumnMap,
  chatMessageColumns,
  chatMessageRowSchema,
  chatThreadColumns,
  chatThreadSchema,
  foldDeltas,
  type MessageDelta,
  type MessageFeedback,
  messageFeedbackColumns,
  messageFeedbackRowSchema,
  type Principal,
  type Rating,
  type Session,
  sessionColumns,
  sessionSchema,
} from '../../schema/index.ts'
import { validate } from '../../schema/validate.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import type { Driver } from './drivers.ts'
import { withParents } from './plans.ts'
import type { SessionPolicy } from './policy.ts'
import { compileFragment } from './prepared-statements.ts'

/** The means to read with a principal's rights. The access rule is part of every statement. */
export interface Reading<P extends Principal> {
  readonly driver: Driver
  readonly policy: SessionPolicy<P>
}

/** Selects the part of a branch to read. */
export interface ThreadRequest {
  /** The number of messages, the newest of the branch: 1 to 1,000. Default 100. */
  readonly last?: number
  /** The id of a message: reads those before it on its branch. Pass the `before` of the previous page. */
  readonly before?: string
  /** The id of the last message of the branch to read. Default: the thread's head. */
  readonly branch?: string
}

/** Part of a branch of a thread. */
export interface ThreadPage {
  readonly thread: ChatThread
  /** Oldest first. Answers that are still growing have the text streamed so far. */
  readonly messages: readonly ChatMessage[]
  /** The alternatives of messages that have any: ids by id, the message's own included, oldest first. */
  readonly siblings: Readonly<Record<string, readonly string[]>>
  /** Pass it as `before` to read older messages; null if there are none. */
  readonly before: string | null
}

/** Selects threads. */
export interface ThreadListRequest {
  /** Only threads of this session. Default: of all sessions that the principal may see. */
  readonly sessionId?: string
  readonly status?: ChatThread['status']
  /** 1 to 200. Default 50. */
  readonly limit?: number
  /** The `nextCursor` of the previous page. */
  readonly cursor?: string
}

/** A page of threads. */
export interface ThreadList {
  /** By their last activity, the latest first. */
  readonly threads: readonly ChatThread[]
  /** Cursor of the next page; null on the last one. */
  readonly nextCursor: string | null
}

/** Selects sessions. */
export interface SessionListRequest {
  /** True for archived sessions, false for the others. Default: both. */
  readonly archived?: boolean
  /** 1 to 200. Default 50. */
  readonly limit?: number
  /** The `nextCursor` of the previous page. */
  readonly cursor?: string
}

/** A page of sessions. */
export interface SessionList {
  /** The last changed first. */
  readonly sessions: readonly Session[]
  /** Cursor of the next page; null on the last one. */
  readonly nextCursor: string | null
}

/** Selects feedback on messages. */
export interface FeedbackRequest {
  /** Only in this session. Default: in all sessions. */
  readonly sessionId?: string
  /** Only in this thread. */
  readonly threadId?: string
  readonly rating?: Rating
  /** 1 to 200. Default 50. */
  readonly limit?: number
  /** The `nextCursor` of the previous page. */
  readonly cursor?: string
}

/** A page of feedback. */
export interface FeedbackPage {
  /** The last changed first. */
  readonly feedback: readonly MessageFeedback[]
  /** Cursor of the next page; null on the last one. */
  readonly nextCursor: string | null
}

const DEFAULT_LAST = 100
const MAX_LAST = 1_000
const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200
/** Messages that `threadMessages` reads at a time. */
const PAGE = 200

/** Reads a message with the deltas streamed so far; undefined when the principal can't see one. */
export async function readMessage<P extends Principal>(
  reading: Reading<P>,
  principal: P,
  id: string,
): Promise<ChatMessage | undefined> {
  const [message] = await readMessages(reading, principal, [id])
  return message
}

/** Reads messages with the deltas streamed so far, in the order of their ids in the list. */
async function readMessages<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  ids: readonly string[],
): Promise<ChatMessage[]> {
  const { tenantId } = principal
  const rows = await run<{ readonly message: string; readonly deltas: string }>(
    driver,
    sql`
    SELECT to_jsonb(message)::text AS message, (
      SELECT coalesce(jsonb_agg(jsonb_build_object('delta', d.delta, 'part', d.part) ORDER BY d.seq),
        '[]')::text
      FROM chat_message_deltas d
      WHERE d.tenant_id = message.tenant_id AND d.message_id = message.id
    ) AS deltas
    FROM ${sql.raw(withParents('chatMessages', 'true'))}
    WHERE message.tenant_id = ${tenantId}
      AND message.id = ANY (ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb)))
      AND (${policy.see(principal)})`,
  )
  const found = rows.map(({ message: text, deltas }) => {
    const message = parseRow(chatMessageColumns, chatMessageRowSchema, text)
    return { ...message, ...foldDeltas(message, JSON.parse(deltas) as MessageDelta[]) }
  })
  const byId = new Map(found.map((message) => [message.id, message]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

interface Place {
  readonly id: string
  readonly parent: string | null
  readonly siblings: readonly string[] | null
}

/** Reads a thread and the ids of the last messages of a branch, newest first. */
async function readPath<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  id: string,
  { last, before, branch }: ThreadRequest & { readonly last: number },
): Promise<{ readonly thread: ChatThread; readonly path: readonly Place[] } | undefined> {
  const { tenantId } = principal
  const named = before ?? branch ?? null
  const [row] = await run<{ thread: string; path: string | null; known: boolean }>(
    driver,
    sql`
    WITH RECURSIVE shown AS MATERIALIZED (
      SELECT thread.*, named.id IS NOT NULL AS known,
        CASE WHEN ${named}::text IS NULL THEN thread.head_id
          WHEN ${before !== undefined}::boolean THEN named.parent_id ELSE named.id END AS start
      FROM ${sql.raw(withParents('chatThreads', 'true'))}
      LEFT JOIN chat_messages named ON named.tenant_id = thread.tenant_id
        AND named.id = ${named}::text AND named.thread_id = thread.id
      WHERE thread.tenant_id = ${tenantId} AND thread.id = ${id} AND (${policy.see(principal)})
    ), path AS (
      SELECT m.id, m.parent_id, 1 AS n FROM shown
      JOIN chat_messages m ON m.tenant_id = shown.tenant_id AND m.id = shown.start
      UNION ALL
      SELECT m.id, m.parent_id, path.n + 1 FROM path
      JOIN chat_messages m ON m.tenant_id = ${tenantId} AND m.id = path.parent_id
      WHERE path.n < ${last}::integer
    )
    SELECT (to_jsonb(shown) - '{known,start}'::text[])::text AS thread, shown.known, (
      SELECT jsonb_agg(jsonb_build_object('id', path.id, 'parent', path.parent_id, 'siblings', beside.ids)
        ORDER BY path.n)::text
      FROM path LEFT JOIN LATERAL (
        SELECT array_agg(s.id ORDER BY s.position) AS ids FROM chat_messages s
        WHERE s.tenant_id = ${tenantId} AND s.thread_id = ${id} AND CASE WHEN path.parent_id IS NULL
          THEN false ELSE s.parent_id = path.parent_id END
        UNION ALL
        SELECT array_agg(s.id ORDER BY s.position) FROM chat_messages s
        WHERE path.parent_id IS NULL AND s.tenant_id = ${tenantId} AND s.thread_id = ${id}
          AND s.parent_id IS NULL
      ) AS beside ON cardinality(beside.ids) > 1
    ) AS path
    FROM shown`,
  )
  if (row === undefined) return undefined
  if (named !== null && !row.known) {
    throw new SessionDbError(
      'not_found',
      `${before === undefined ? 'branch' : 'before'} is no message of this thread. It may have been deleted: read the thread's last messages.`,
    )
  }
  const thread = parseRow(chatThreadColumns, chatThreadSchema, row.thread)
  return { thread, path: row.path === null ? [] : (JSON.parse(row.path) as Place[]) }
}

/** Reads the last messages of a branch; undefined when the principal can't see the thread. */
export async function readThread<P extends Principal>(
  reading: Reading<P>,
  principal: P,
  id: string,
  request: ThreadRequest,
): Promise<ThreadPage | undefined> {
  const last = checked('last', request.last ?? DEFAULT_LAST, MAX_LAST)
  const found = await readPath(reading, principal, id, { ...request, last })
  if (found === undefined) return undefined
  const { thread, path } = found
  const oldest = path.at(-1)
  return {
    thread,
    messages: await readMessages(reading, principal, path.map((place) => place.id).reverse()),
    siblings: Object.fromEntries(
      path.flatMap((place) => (place.siblings === null ? [] : [[place.id, place.siblings]])),
    ),
    before: oldest === undefined || oldest.parent === null ? null : oldest.id,
  }
}

/** Reads a branch from its first message on, a page at a time. Only the ids are held in memory. */
export async function* threadMessages<P extends Principal>(
  reading: Reading<P>,
  principal: P,
  id: string,
  request: Pick<ThreadRequest, 'branch'>,
): AsyncGenerator<ChatMessage> {
  const ids: string[] = []
  for (let before: string | undefined; ; ) {
    const from = before === undefined ? request : { before }
    const found = await readPath(reading, principal, id, { ...from, last: 10 * MAX_LAST })
    const path = found?.path ?? []
    for (const place of path) ids.push(place.id)
    const oldest = path.at(-1)
    if (oldest === undefined || oldest.parent === null) break
    before = oldest.id
  }
  while (ids.length > 0) {
    yield* await readMessages(reading, principal, ids.splice(-PAGE).reverse())
  }
}

/** Lists threads by their last activity. */
export async function listThreads<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  { sessionId, status, limit = DEFAULT_LIMIT, cursor }: ThreadListRequest,
): Promise<ThreadList> {
  const activity = sql`greatest(thread.created_at, thread.last_message_at)`
  const { rows, nextCursor } = await readPage(driver, 'thread', activity, cursor, limit, [
    sql`FROM ${sql.raw(withParents('chatThreads', 'true'))}
    WHERE thread.tenant_id = ${principal.tenantId} AND (${policy.see(principal)})`,
    ...(sessionId === undefined ? [] : [sql`AND thread.session_id = ${sessionId}`]),
    ...(status === undefined ? [] : [sql`AND thread.status = ${status}`]),
  ])
  const threads = rows.map((row) => parseRow(chatThreadColumns, chatThreadSchema, row))
  return { threads, nextCursor }
}

/** Lists sessions by their last change. */
export async function listSessions<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  { archived, limit = DEFAULT_LIMIT, cursor }: SessionListRequest,
): Promise<SessionList> {
  const change = sql`session.updated_at`
  const { rows, nextCursor } = await readPage(driver, 'session', change, cursor, limit, [
    sql`FROM sessions AS session
    WHERE session.tenant_id = ${principal.tenantId} AND (${policy.see(principal)})`,
    ...(archived === undefined
      ? []
      : [archived ? sql`AND archived_at IS NOT NULL` : sql`AND archived_at IS NULL`]),
  ])
  return { sessions: rows.map((row) => parseRow(sessionColumns, sessionSchema, row)), nextCursor }
}

/** Lists feedback by its last change: the principal's own, and everyone's in sessions that it may edit. */
export async function readFeedback<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  { sessionId, threadId, rating, limit = DEFAULT_LIMIT, cursor }: FeedbackRequest,
): Promise<FeedbackPage> {
  const { rows, nextCursor } = await readPage(
    driver,
    'feedback',
    sql`feedback.updated_at`,
    cursor,
    limit,
    [
      sql`FROM (
      SELECT f.*, f.message_id || chr(1) || f.user_id AS id, m.thread_id
      FROM chat_message_feedback f
      JOIN chat_messages m ON m.tenant_id = f.tenant_id AND m.id = f.message_id
      WHERE f.tenant_id = ${principal.tenantId}
    ) AS feedback
    JOIN sessions AS session ON session.tenant_id = feedback.tenant_id
      AND session.id = feedback.session_id
    WHERE (${policy.see(principal)})
      AND (feedback.user_id = ${principal.userId} OR (${policy.oversees(principal)}))`,
      ...(sessionId === undefined ? [] : [sql`AND feedback.session_id = ${sessionId}`]),
      ...(threadId === undefined ? [] : [sql`AND feedback.thread_id = ${threadId}`]),
      ...(rating === undefined ? [] : [sql`AND feedback.rating = ${rating}`]),
    ],
  )
  const feedback = rows.map((row) =>
    parseRow(messageFeedbackColumns, messageFeedbackRowSchema, row),
  )
  return { feedback, nextCursor }
}

const cursorSchema = z.tuple([z.string().check(z.regex(/^\d{1,18}$/)), z.string()])

/** Reads a page of rows as JSON, the latest `time` first. */
async function readPage(
  driver: Driver,
  alias: string,
  time: RawBuilder<unknown>,
  cursor: string | undefined,
  limit: number,
  from: readonly RawBuilder<unknown>[],
): Promise<{ readonly rows: readonly string[]; readonly nextCursor: string | null }> {
  const size = checked('limit', limit, MAX_LIMIT)
  // Microseconds: a date in JavaScript would lose some.
  const order = sql`(extract(epoch FROM ${time}) * 1000000)::bigint`
  const id = sql.ref(`${alias}.id`)
  const after = cursor === undefined ? undefined : decodeCursor(cursorSchema, cursor)
  const rows = await run<{ readonly row: string; readonly time: string; readonly id: string }>(
    driver,
    sql`SELECT to_jsonb(${sql.ref(alias)})::text AS row, ${order}::text AS time, ${id} AS id
    ${sql.join([...from], sql` `)}
    ${after === undefined ? sql`` : sql`AND (${order}, ${id}) < (${after[0]}::bigint, ${after[1]})`}
    ORDER BY ${order} DESC, ${id} DESC LIMIT ${size + 1}::integer`,
  )
  const page = rows.slice(0, size)
  const last = page.at(-1)
  const hasMore = rows.length > size && last !== undefined
  return {
    rows: page.map(({ row }) => row),
    nextCursor: hasMore ? encodeCursor([last.time, last.id]) : null,
  }
}

function checked(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new SessionDbError('invalid', `${name} must be a whole number from 1 to ${most}.`)
}

/** Runs a statement that isn't prepared, because few connections would run it twice. */
export async function run<Row>(driver: Driver, statement: RawBuilder<unknown>): Promise<Row[]> {
  const { sql: text, parameters: values } = compileFragment(statement)
  return (await driver.run({ name: undefined, text, values })) as Row[]
}

/** Converts a row that Postgres printed as JSON. Columns that the schema lacks are left out. */
function parseRow<Row>(columns: ColumnMap, schema: z.ZodMiniType<Row>, json: string): Row {
  const row = JSON.parse(json) as Record<string, unknown>
  const entries = Object.entries<ColumnDefinition>(columns)
    .filter(([, { name, synced }]) => synced && name in row)
    .map(([property, { name, type }]) => {
      const value = row[name]
      const isTime = type === 'timestamp with time zone' && typeof value === 'string'
      return [property, isTime ? new Date(value) : value]
    })
  const parsed = validate(schema, Object.fromEntries(entries))
  if (parsed.success) return parsed.data
  throw new TypeError(`A stored row is not valid: ${parsed.error.issues[0]?.message}`)
}
