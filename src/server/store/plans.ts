import {
  type CollectionName,
  type ColumnDefinition,
  type ColumnMap,
  chatMessageColumns,
  isInsertable,
  PREVIEW_LENGTH,
  STREAM_EPOCH_MS,
  tables,
} from '../../schema/index.ts'
import type { Mutation, RowMutation } from '../../writes/index.ts'
import type { WriteLimits } from '../../writes/limits.ts'
import type { MutationOf } from './policy.ts'
import type { Parameter, Values } from './prepared-statements.ts'

/**
 * Each kind of mutation has a plan: the SQL of its decision and of its write, which `statements.ts`
 * wraps into one statement. Plans hold no values. They name parameters (`tenant`, `user`, `id`, the
 * properties of a row, …) and `valuesOf` supplies them for each mutation.
 */
export interface Plan {
  /**
   * CTEs that make the decision and lock the rows it depends on. The last one is `target`, which has
   * one row per row to be written, or none when the principal can't see it. Its columns:
   * `permitted` boolean; `current_version` integer, null for rows without a version; `changes`
   * boolean, false when there is nothing to write; `result_id` and `result_version`, the row after
   * the write; and any others that `write` needs.
   */
  readonly target: string
  /** Condition on `target` for the write to happen. */
  readonly admitted: string
  /** The reason against the write, for `refusal`: a limit of `WriteLimits`, a property of the row, or NULL. */
  readonly problem?: string
  /** INSERT, UPDATE or DELETE that writes only if `target` and `admitted` have a row. */
  readonly write: string
  /** A second write in the same statement. */
  readonly alsoWrite?: string
}

/** The policy's conditions for one principal and mutation, and the parameters of the statement. */
export interface PlanContext {
  readonly parameter: Parameter
  readonly see: string
  readonly permitted: string
}

export type NewMessage = MutationOf<'chatMessages', 'insert'>

export function isNewMessage(mutation: Mutation): mutation is NewMessage {
  return mutation.collection === 'chatMessages' && mutation.type === 'insert'
}

/** Returns the properties that an update or a set sets. A property that is undefined is not set. */
export function changedProperties(mutation: Mutation): string[] {
  if (mutation.type !== 'update' && mutation.type !== 'set') return []
  const changes = Object.entries(mutation.changes).filter(([, value]) => value !== undefined)
  return changes.map(([property]) => property)
}

/**
 * Returns the values of a mutation's parameters.
 *
 * @param run The new messages to be inserted with it, itself included.
 */
export function valuesOf(mutation: Mutation, run: readonly NewMessage[] = []): Values {
  switch (mutation.type) {
    case 'insert': {
      const values = columnValues(mutation.collection, mutation.value)
      if (run.length === 0) return values
      const streaming = run.filter(({ value }) => value.status === 'streaming').length
      const attached = run[0]?.value.parentId !== undefined
      return { ...values, rows: rowsJson(run), attached, streaming }
    }
    case 'update':
      return {
        ...columnValues(mutation.collection, mutation.changes),
        id: mutation.id,
        expected: mutation.expectedVersion,
      }
    case 'delete':
      return { id: mutation.id, expected: mutation.expectedVersion }
    case 'set':
      return { ...mutation.changes, id: mutation.id }
    case 'append':
      return {
        id: mutation.id,
        writer: mutation.writer,
        seq: mutation.seq,
        count: mutation.deltas.length,
        deltas: JSON.stringify(mutation.deltas),
      }
  }
}

function columnValues(collection: CollectionName, row: object): Values {
  const columns: ColumnMap = tables[collection].columns
  return Object.fromEntries(
    Object.entries(row).map(([property, value]) => [
      property,
      parameterValue(columns[property]?.type, value),
    ]),
  )
}

// JSON goes as text: some drivers would encode the value of a jsonb parameter a second time.
function parameterValue(type: string | undefined, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (type === 'jsonb') return JSON.stringify(value)
  return value instanceof Date ? value.toISOString() : value
}

/** Plans a mutation of a collection's row. `properties` are those that an update sets. */
export function planOf(
  context: PlanContext,
  mutation: RowMutation,
  properties: readonly string[],
): Plan {
  switch (mutation.type) {
    case 'insert':
      return mutation.collection === 'chatMessages'
        ? planNewMessages(context)
        : planInsert(context, mutation.collection)
    case 'update':
      return planUpdate(context, mutation.collection, properties)
    case 'delete':
      return planDelete(context, mutation.collection)
    case 'append':
      return planAppend(context)
  }
}

/**
 * Plans a new session, event or thread. Its owner or creator is the principal. A trigger archives the
 * active thread that a new one replaces.
 */
function planInsert(
  { parameter, see, permitted }: PlanContext,
  collection: Exclude<CollectionName, 'chatMessages'>,
): Plan {
  const { names, values } = insertedColumns(tables[collection].columns, parameter)
  const authorColumn = AUTHOR_COLUMNS[collection]
  if (authorColumn !== undefined) {
    names.push(authorColumn)
    values.push(`${parameter('user')}::text`)
  }
  // A new thread archives the active one, whose trigger locks the session for an update.
  const lock = changesSession(collection) || collection === 'chatThreads' ? UPDATE_LOCK : SHARE_LOCK
  const fromSession =
    collection === 'sessions'
      ? ''
      : `FROM sessions AS session
      WHERE session.tenant_id = ${parameter('tenant')}::text
        AND session.id = ${parameter('sessionId')}::text AND (${see})
        AND ${lock.queue} ${lock.row}`
  return {
    target: `target AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, NULL::integer AS current_version,
        true AS changes, ${parameter('id')}::text AS result_id,
        ${isVersioned(collection) ? '1' : 'NULL::integer'} AS result_version,${actor(collection, parameter)}
        ${tooManyRows(collection, parameter)} AS problem
      ${fromSession})`,
    admitted: 'target.permitted AND target.problem IS NULL',
    problem: 'target.problem',
    write: `
      INSERT INTO ${tables[collection].name} (tenant_id, ${names.join(', ')})
      SELECT ${parameter('tenant')}::text, ${values.join(', ')} FROM target, admitted`,
  }
}

/** Names the user to the triggers of 0001-audit.ts, until the transaction ends. */
function actor(collection: CollectionName, parameter: Parameter): string {
  const isAudited = collection === 'sessions' || collection === 'sessionGrants'
  return isAudited
    ? `
        set_config('session_db.user', ${parameter('user')}::text, true) AS actor,`
    : ''
}

/**
 * The limit that one more row would exceed, or NULL. The session is locked, so its count is exact. That of
 * a user may be exceeded by as many as are written at the same time in other sessions.
 */
function tooManyRows(collection: CollectionName, parameter: Parameter): string {
  if (collection !== 'chatThreads' && collection !== 'sessionGrants') return 'NULL::text'
  const inSession = `other.session_id = ${parameter('sessionId')}::text`
  const own = `other.created_by = ${parameter('user')}::text`
  const reaches = (limit: keyof WriteLimits, condition: string) => `
          WHEN EXISTS (
            SELECT FROM ${tables[collection].name} AS other
            WHERE other.tenant_id = ${parameter('tenant')}::text AND ${condition}
            OFFSET ${parameter(limit)}::bigint - 1) THEN '${limit}'`
  if (collection === 'chatThreads') {
    return `CASE ${reaches('maxThreads', `${inSession} AND ${own}`)} END`
  }
  // The grant to the tenant is one per session, and comes with a session that is visible to it.
  return `CASE ${reaches('maxGrants', inSession)} ${reaches(
    'maxGrantsPerUser',
    `${own} AND other.grantee <> 'tenant' AND ${parameter('grantee')}::text <> 'tenant'`,
  )} END`
}

/**
 * The limit that more unfinished messages would exceed, or NULL.
 *
 * @param added SQL for the number of messages that will be unfinished.
 * @param author SQL for the author of these messages.
 * @param thread SQL for their thread.
 */
function tooManyStreams(
  parameter: Parameter,
  { added, author, thread }: Readonly<Record<'added' | 'author' | 'thread', string>>,
): string {
  return `(
          SELECT CASE
            WHEN ${author} = ${parameter('user')}::text
              AND count(*) + ${added} > ${parameter('maxStreamingMessages')}::bigint
              THEN 'maxStreamingMessages'
            WHEN count(*) FILTER (WHERE other.thread_id = ${thread}) + ${added}
              > ${parameter('maxStreamingPerThread')}::bigint THEN 'maxStreamingPerThread'
          END
          FROM chat_messages AS other
          WHERE other.tenant_id = ${parameter('tenant')}::text AND other.author_id = ${author}
            AND other.status = 'streaming')`
}

const AUTHOR_COLUMNS: Partial<Record<CollectionName, string>> = {
  sessions: 'owner_id',
  sessionGrants: 'created_by',
  chatThreads: 'created_by',
}

/** Sets every column an insert may set, so that all inserts into a table share one text. */
function insertedColumns(columns: ColumnMap, parameter: Parameter) {
  const inserted = Object.entries(columns).filter(([, column]) => isInsertable(column))
  return {
    names: inserted.map(([, { name }]) => quoted(name)),
    values: inserted.map(([property, definition]) =>
      orDefault(parameterAs(parameter(property), definition), definition),
    ),
  }
}

function parameterAs(placeholder: string, { type }: ColumnDefinition): string {
  return type === 'jsonb' ? `${placeholder}::text::jsonb` : `${placeholder}::${type}`
}

function orDefault(value: string, definition: ColumnDefinition): string {
  return definition.default === null ? value : `coalesce(${value}, ${definition.default})`
}

function quoted(name: string): string {
  return `"${name}"`
}

/**
 * Plans new messages at the end of one thread. The thread stays locked from the moment its last
 * position is read, so positions have no gaps or duplicates. A message whose `clientMessageId` the
 * thread already has is not stored again; the result names the stored one.
 *
 * The first of them follows its `parentId` or the thread's head, and each other one the message before
 * it. The last becomes the head. A parent is locked, so that it can't be deleted meanwhile.
 *
 * All messages of a run are one statement with one update of the thread: within a transaction
 * Postgres can't remove the old versions of a row, so n updates would scan O(n²) of them.
 */
function planNewMessages({ parameter, see, permitted }: PlanContext): Plan {
  const inserted = Object.values<ColumnDefinition>(chatMessageColumns).filter(isInsertable)
  const declared = inserted.map(({ name, type }) => `${quoted(name)} ${type}`)
  const values = inserted.map((column) =>
    column.name === 'parent_id'
      ? 'target.follows'
      : orDefault(`target.${quoted(column.name)}`, column),
  )
  const attached = `${parameter('attached')}::boolean`
  const parentId = `${parameter('parentId')}::text`
  const added = `${parameter('streaming')}::integer`
  const author = `${parameter('user')}::text`
  return {
    target: `thread AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, thread.session_id, thread.last_position,
        thread.head_id, ${COUNTED},
        CASE WHEN ${added} > 0
          THEN ${tooManyStreams(parameter, { added, author, thread: 'thread.id' })} END AS problem
      FROM chat_threads AS thread ${joinSession('thread', see, SHARE_LOCK)}
      WHERE thread.tenant_id = ${parameter('tenant')}::text
        AND thread.id = ${parameter('threadId')}::text
      FOR NO KEY UPDATE OF thread
    ), parent AS MATERIALIZED (
      SELECT found.id FROM thread CROSS JOIN LATERAL (
        SELECT message.id FROM chat_messages AS message
        WHERE message.tenant_id = ${parameter('tenant')}::text AND message.id = ${parentId}
          AND message.thread_id = ${parameter('threadId')}::text
        OFFSET 0 FOR KEY SHARE
      ) AS found
    ), target AS MATERIALIZED (
      SELECT thread.permitted, NULL::integer AS current_version, earlier.id IS NULL AS changes,
        coalesce(earlier.id, given.id) AS result_id, coalesce(earlier.version, 1) AS result_version,
        thread.session_id, thread.last_position
          + count(*) FILTER (WHERE earlier.id IS NULL) OVER (ORDER BY given.n) AS position,
        coalesce(
          lag(given.id) OVER (PARTITION BY earlier.id IS NULL ORDER BY given.n),
          CASE WHEN ${attached} AND given.n = 1 THEN ${parentId} ELSE thread.head_id END
        ) AS follows,
        coalesce(thread.problem,
          CASE WHEN ${attached} AND ${parentId} IS NOT NULL AND NOT EXISTS (SELECT FROM parent)
            AND first_value(earlier.id) OVER (ORDER BY given.n) IS NULL THEN 'parentId'
          END) AS problem,
        given.*
      FROM thread
      CROSS JOIN jsonb_to_recordset(${parameter('rows')}::text::jsonb)
        AS given (n integer, ${declared.join(', ')})
      LEFT JOIN LATERAL (
        SELECT message.id, message.version FROM chat_messages AS message
        WHERE given.client_message_id IS NOT NULL
          AND message.tenant_id = ${parameter('tenant')}::text
          AND message.thread_id = ${parameter('threadId')}::text
          AND message.client_message_id = given.client_message_id
        OFFSET 0
      ) AS earlier ON true
      ORDER BY given.n)`,
    admitted: 'target.permitted AND target.problem IS NULL',
    problem: 'target.problem',
    write: `
      INSERT INTO chat_messages (tenant_id, session_id, author_id, position,
        ${inserted.map(({ name }) => quoted(name)).join(', ')})
      SELECT ${parameter('tenant')}::text, target.session_id, ${parameter('user')}::text,
        target.position, ${values.join(', ')}
      FROM target, admitted WHERE target.changes ORDER BY target.n`,
    alsoWrite: `
      UPDATE chat_threads AS thread SET ${countMessages('added.count', 'added.content', 'added.id')}
      FROM (
        SELECT count(*)::integer AS count, (array_agg(id ORDER BY n DESC))[1] AS id,
          (array_agg(content ORDER BY n DESC) FILTER (WHERE role <> 'tool'))[1] AS content
        FROM target, admitted WHERE target.changes
      ) AS added
      WHERE thread.tenant_id = ${parameter('tenant')}::text
        AND thread.id = ${parameter('threadId')}::text AND added.count > 0`,
  }
}

/** The rows of a run for `jsonb_to_recordset`, numbered from 1. */
function rowsJson(run: readonly NewMessage[]): string {
  const columns: ColumnMap = chatMessageColumns
  return JSON.stringify(
    run.map(({ value }, index) => ({
      n: index + 1,
      ...Object.fromEntries(
        Object.entries(value).map(([property, given]) => [columns[property]?.name, given]),
      ),
    })),
  )
}

/**
 * One new message after the thread's head as a whole batch, decided and written at the same time: the thread is counted up
 * where the principal may write, and everything else follows from the updated row. It saves an index
 * scan, a lock and half of a speculative insertion. It can't report why it wrote nothing, and it
 * fails when the batch id, the message id or the `clientMessageId` is taken.
 */
export function newMessageStatement({ parameter, see, permitted }: PlanContext): string {
  const { parentId: _, ...columns } = chatMessageColumns
  const { names, values } = insertedColumns(columns, parameter)
  const counted = countMessages('1', shownContent(parameter), `${parameter('id')}::text`)
  return `
    WITH counted AS (
      UPDATE chat_threads AS thread SET ${counted}
      WHERE thread.tenant_id = ${parameter('tenant')}::text
        AND thread.id = ${parameter('threadId')}::text
        AND EXISTS (
          SELECT FROM sessions AS session
          WHERE session.tenant_id = thread.tenant_id AND session.id = thread.session_id
            AND (${see}) AND (${permitted}) AND ${SHARE_LOCK.queue} OFFSET 0 ${SHARE_LOCK.row})
      RETURNING thread.session_id, thread.last_position AS position,
        thread.previous_head_id AS parent_id, ${COUNTED}
    ), claimed AS (
      INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, txid, result)
      SELECT ${parameter('tenant')}::text, ${parameter('batch')}::text, ${parameter('user')}::text,
        ${parameter('hash')}::text, ${TXID}, ${parameter('result')}::text::jsonb
      FROM counted
      RETURNING txid
    ), written AS (
      INSERT INTO chat_messages (tenant_id, session_id, author_id, position, parent_id,
        ${names.join(', ')})
      SELECT ${parameter('tenant')}::text, counted.session_id, ${parameter('user')}::text,
        counted.position, counted.parent_id, ${values.join(', ')}
      FROM counted
    )
    SELECT txid::text FROM claimed`
}

/** The 32 bits of the transaction id that replication carries. */
export const TXID = 'pg_current_xact_id()::xid::text::bigint'

/** Words for the search are those of the text that an event had. */
function hasOtherWords(properties: readonly string[]): boolean {
  return ['title', 'text', 'toolName'].some((property) => properties.includes(property))
}

/**
 * Turns the counting triggers off for this transaction, because the statement counts its new messages
 * itself (migrations/0001-triggers.ts). Counting in the statement costs half of what the trigger costs.
 */
export const COUNTED = `set_config('session_db.counted', 'on', true)`

/**
 * The counters that new messages change, for an UPDATE of `chat_threads AS thread`. The twin for
 * messages that other statements insert is `session_db_count_messages` in
 * migrations/0001-triggers.ts.
 *
 * @param count The number of new messages. The version goes up by as many.
 * @param content The content of the last one that is no tool call; SQL NULL if all are.
 * @param id The id of the last one, which becomes the head.
 */
function countMessages(count: string, content: string, id: string): string {
  return `message_count = thread.message_count + ${count},
    last_position = thread.last_position + ${count},
    last_message_at = CASE WHEN ${content} IS NULL THEN thread.last_message_at ELSE now() END,
    last_message_preview = coalesce(left(${content}, ${PREVIEW_LENGTH}),
      thread.last_message_preview),
    head_id = ${id}, previous_head_id = thread.head_id,
    version = thread.version + ${count}, updated_at = now()`
}

function shownContent(parameter: Parameter): string {
  return `(CASE WHEN ${parameter('role')}::text <> 'tool' THEN ${parameter('content')}::text END)`
}

/**
 * Plans an update of these properties. Rows with a version always change, because the version does.
 * Timeline events have none and are written only when a value differs.
 */
function planUpdate(
  { parameter, see, permitted }: PlanContext,
  collection: CollectionName,
  properties: readonly string[],
): Plan {
  const alias = ALIASES[collection]
  const columns: ColumnMap = tables[collection].columns
  const changed = Object.entries(columns).filter(([property]) => properties.includes(property))
  const assignments = changed.map(
    ([property, column]) => `${quoted(column.name)} = ${parameterAs(parameter(property), column)}`,
  )
  const version = versionOf(collection)
  // A parser no longer replaces an event once a user has changed it.
  const always = isVersioned(collection)
    ? [`version = ${alias}.version + 1`, 'updated_at = now()']
    : ['derived_by = NULL', ...(hasOtherWords(properties) ? ['more_words = NULL'] : [])]
  if (collection === 'chatThreads' && properties.includes('title')) always.push('title_set = true')
  const activates = collection === 'chatThreads' && properties.includes('status')
  const lock = changesSession(collection) || activates ? UPDATE_LOCK : SHARE_LOCK
  const locks = locksFor(permitted, lock)
  const movesHead = collection === 'chatThreads' && properties.includes('headId')
  const head = movesHead ? joinHead(`${parameter('headId')}::text`) : NO_HEAD
  const resumes = collection === 'chatMessages' && properties.includes('status')
  const problem = resumes ? tooManyResumed(parameter) : head.problem
  return {
    target: `target AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, ${version} AS current_version,
        ${problem} AS problem,
        ${isVersioned(collection) ? 'true' : differs(alias, changed, parameter)} AS changes,${actor(collection, parameter)}
        ${alias}.id AS result_id, ${version} + 1 AS result_version
      FROM ${withParents(collection, see, locks)}${head.join}
      WHERE ${isVisibleRow(collection, parameter, see, permitted)}
      FOR NO KEY UPDATE OF ${alias})`,
    admitted: `${isExpectedVersion(parameter)} AND target.problem IS NULL`,
    problem: 'target.problem',
    write: `
      UPDATE ${tables[collection].name} AS ${alias} SET ${[...always, ...assignments].join(', ')}
      FROM target, admitted
      WHERE ${isRow(collection, parameter)} AND target.changes`,
  }
}

/** The limit that a message would exceed that is unfinished after an update, or NULL. */
function tooManyResumed(parameter: Parameter): string {
  const streams = { added: '1', author: 'message.author_id', thread: 'message.thread_id' }
  return `CASE WHEN ${parameter('status')}::text = 'streaming' AND message.status <> 'streaming'
          THEN ${tooManyStreams(parameter, streams)} END`
}

const NO_HEAD = { join: '', problem: 'NULL::text' }

/** Locks the message that an update makes the head of a thread, so that it can't be deleted meanwhile. */
function joinHead(headId: string): typeof NO_HEAD {
  return {
    join: `
      LEFT JOIN LATERAL (
        SELECT message.id FROM chat_messages AS message
        WHERE message.tenant_id = thread.tenant_id AND message.id = ${headId}
          AND message.thread_id = thread.id
        OFFSET 0 FOR KEY SHARE
      ) AS head ON true`,
    problem: `CASE WHEN ${headId} IS NOT NULL AND head.id IS NULL THEN 'headId' END`,
  }
}

function differs(
  alias: string,
  changed: readonly (readonly [string, ColumnDefinition])[],
  parameter: Parameter,
): string {
  if (changed.length === 0) return 'false'
  const current = changed.map(([, { name }]) => `${alias}.${quoted(name)}`)
  const next = changed.map(([property, column]) => parameterAs(parameter(property), column))
  return `ROW(${current.join(', ')}) IS DISTINCT FROM ROW(${next.join(', ')})`
}

/**
 * Plans a delete. Foreign keys cascade it to the row's children. The thread of a message is locked before
 * the message, as when messages are added: a trigger attaches the ones that followed it elsewhere.
 */
function planDelete({ parameter, see, permitted }: PlanContext, collection: CollectionName): Plan {
  const alias = ALIASES[collection]
  const session = changesSession(collection) ? UPDATE_LOCK : SHARE_LOCK
  const locks = { session, thread: 'FOR NO KEY UPDATE' }
  return {
    target: `target AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, ${versionOf(collection)} AS current_version,
        true AS changes, ${alias}.id AS result_id,${actor(collection, parameter)}
        NULL::integer AS result_version
      FROM ${withParents(collection, see, locks)}
      WHERE ${isVisibleRow(collection, parameter, see, permitted)}
      FOR UPDATE OF ${alias})`,
    admitted: isExpectedVersion(parameter),
    write: `
      DELETE FROM ${tables[collection].name} AS ${alias} USING target, admitted
      WHERE ${isRow(collection, parameter)}`,
  }
}

/**
 * Plans deltas for a streaming message. The message is locked against its end, so no delta arrives
 * after the text has been put together. It is not changed, so the cost of a delta depends on the
 * delta's length and not on the message's.
 *
 * The deltas are accepted if the message still has this writer and they are the next ones, or if all
 * of them are stored already: then they were sent again, and nothing is written.
 */
function planAppend({ parameter, see, permitted }: PlanContext): Plan {
  const given = `
    SELECT ${parameter('seq')}::integer + n::integer - 1 AS seq, value->>'delta' AS delta,
      value->'part' AS part, sum(octet_length(value->>'delta')
        + coalesce(octet_length((value->'part')::text), 0)) OVER (ORDER BY n) AS bytes
    FROM jsonb_array_elements(${parameter('deltas')}::text::jsonb) WITH ORDINALITY AS given (value, n)`
  const from = `coalesce(session_db_stream_from(message.metadata), 0)`
  return {
    target: `target AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, NULL::integer AS current_version,
        message.status = 'streaming'
          AND message.metadata->'stream'->>'writer' = ${parameter('writer')}::text
          AND (stored.same = ${parameter('count')}::integer
            OR (stored.same = 0 AND ${parameter('seq')}::integer = coalesce(last.seq + 1, ${from})))
          AS is_next,
        CASE
          WHEN stored.same > 0 THEN NULL
          WHEN size.bytes + stored.bytes > ${parameter('maxStreamedBytes')}::bigint
            THEN 'maxStreamedBytes'
          WHEN ${parameter('seq')}::integer + ${parameter('count')}::integer - ${from}
            > ${parameter('maxStreamedDeltas')}::integer THEN 'maxStreamedDeltas'
        END AS problem, size.bytes,
        stored.same = 0 AS changes, message.id AS result_id, message.version AS result_version,
        message.session_id,
        floor(extract(epoch FROM message.created_at) * 1000 / ${STREAM_EPOCH_MS})::bigint::text
          AS epoch
      FROM ${withParents('chatMessages', see, locksFor(permitted))}
      LEFT JOIN LATERAL (
        SELECT d.seq, d.total_bytes FROM chat_message_deltas d
        WHERE d.tenant_id = message.tenant_id AND d.message_id = message.id
        ORDER BY d.seq DESC LIMIT 1
      ) AS last ON true
      CROSS JOIN LATERAL (
        SELECT count(d.seq) AS same, max(g.bytes) AS bytes
        FROM (${given}) AS g LEFT JOIN chat_message_deltas d
          ON d.tenant_id = message.tenant_id AND d.message_id = message.id AND d.seq = g.seq
            AND d.delta = g.delta AND d.part IS NOT DISTINCT FROM g.part
      ) AS stored
      CROSS JOIN LATERAL (
        SELECT coalesce(last.total_bytes, octet_length(message.content)
          + octet_length(message.parts::text) + octet_length(message.metadata::text)) AS bytes
      ) AS size
      WHERE ${isRow('chatMessages', parameter)}
      FOR SHARE OF message)`,
    admitted: 'target.permitted AND target.is_next AND target.problem IS NULL',
    problem: 'CASE WHEN target.is_next THEN target.problem END',
    write: `
      INSERT INTO chat_message_deltas
        (tenant_id, message_id, seq, session_id, epoch, delta, part, total_bytes)
      SELECT ${parameter('tenant')}::text, target.result_id, g.seq, target.session_id, target.epoch,
        g.delta, g.part, target.bytes + g.bytes
      FROM target, admitted, (${given}) AS g WHERE target.changes`,
  }
}

/** The row names that policies and plans use. */
const ALIASES: Readonly<Record<CollectionName, string>> = {
  sessions: 'session',
  sessionGrants: 'share',
  timelineEvents: 'event',
  chatThreads: 'thread',
  chatMessages: 'message',
}

/**
 * A lock on a session. The rows that a decision depends on stay locked until the transaction ends: a
 * revoke waits for the writes decided before it, and a write that waited for a revoke is decided on the
 * revoked session.
 *
 * Row locks alone are not fair. Postgres lets new share locks join those that an update waits for, so a
 * steady stream of writes would keep the owner from revoking access. Advisory locks queue in order, and
 * are taken before the row's.
 */
interface SessionLock {
  /** A condition on the row that takes the advisory lock. */
  readonly queue: string
  /** The locking clause. */
  readonly row: string
}

const SESSION_LOCK_KEY = `hashtextextended(session.tenant_id || chr(1) || session.id, 7236108452)`
/** For statements that depend on what the session is shared with. */
export const SHARE_LOCK: SessionLock = {
  queue: `EXISTS (SELECT FROM pg_advisory_xact_lock_shared(${SESSION_LOCK_KEY}))`,
  row: 'FOR SHARE',
}
/** For statements that change the session, or lock it for an update in a trigger. */
export const UPDATE_LOCK: SessionLock = {
  queue: `EXISTS (SELECT FROM pg_advisory_xact_lock(${SESSION_LOCK_KEY}))`,
  row: 'FOR NO KEY UPDATE',
}
/** A trigger updates the session of a grant (migrations/0001-access.ts). */
function changesSession(collection: CollectionName): boolean {
  return collection === 'sessionGrants'
}

export const NO_LOCK: SessionLock = { queue: 'true', row: '' }

/** The locks on a row's parents. */
interface ParentLocks {
  readonly session: SessionLock
  /** The locking clause. */
  readonly thread: string
}

const NO_LOCKS: ParentLocks = { session: NO_LOCK, thread: '' }

/** Locks the session, and the thread of a message when the rule uses it. */
function locksFor(permitted: string, session = SHARE_LOCK): ParentLocks {
  return { session, thread: /\bthread\b/.test(permitted) ? 'FOR SHARE' : '' }
}

/**
 * Joins a row with its parents, each under the name that the policy's conditions use.
 *
 * @param see The condition on the session; of sessions themselves it belongs into WHERE.
 */
export function withParents(
  collection: CollectionName,
  see: string,
  locks: ParentLocks = NO_LOCKS,
): string {
  const alias = ALIASES[collection]
  const row = `${tables[collection].name} AS ${alias}`
  if (collection === 'sessions') return row
  if (collection !== 'chatMessages') return `${row} ${joinSession(alias, see, locks.session)}`
  // Every statement locks the session before the thread.
  return `${row} ${joinSession(alias, see, locks.session)}
      CROSS JOIN LATERAL (
        SELECT * FROM chat_threads AS thread
        WHERE thread.tenant_id = session.tenant_id AND thread.id = message.thread_id
        OFFSET 0 ${locks.thread}
      ) AS thread`
}

/**
 * Joins a row's session if the principal can see it, so that a principal can't lock a session it can't see.
 * OFFSET 0 keeps the planner from joining on `tenant_id` alone, which looks just as selective to it
 * until the tables have been analyzed for the first time.
 */
export function joinSession(child: string, see: string, lock: SessionLock): string {
  return `
      CROSS JOIN LATERAL (
        SELECT * FROM sessions AS session
        WHERE session.tenant_id = ${child}.tenant_id AND session.id = ${child}.session_id
          AND (${see}) AND ${lock.queue}
        OFFSET 0 ${lock.row}
      ) AS session`
}

/** Selects the row. A session that the principal may change is queued for, as in `SessionLock`. */
function isVisibleRow(
  collection: CollectionName,
  parameter: Parameter,
  see: string,
  permitted: string,
): string {
  const row = isRow(collection, parameter)
  if (collection !== 'sessions') return row
  return `${row} AND (${see}) AND CASE WHEN (${permitted}) THEN ${UPDATE_LOCK.queue} ELSE true END`
}

function isRow(collection: CollectionName, parameter: Parameter): string {
  const alias = ALIASES[collection]
  return `${alias}.tenant_id = ${parameter('tenant')}::text AND ${alias}.id = ${parameter('id')}::text`
}

function isVersioned(collection: CollectionName): boolean {
  return 'version' in tables[collection].columns
}

function versionOf(collection: CollectionName): string {
  return isVersioned(collection) ? `${ALIASES[collection]}.version` : 'NULL::integer'
}

function isExpectedVersion(parameter: Parameter): string {
  const expected = `${parameter('expected')}::bigint`
  return `target.permitted AND (${expected} IS NULL OR target.current_version = ${expected})`
}
