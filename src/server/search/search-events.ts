import { type RawBuilder, sql } from 'kysely'
import type { Pool } from 'pg'
import * as z from 'zod/mini'
import { idField, textField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import {
  listOfTexts,
  type TimelineEventRow,
  type TimelineFilter,
  timelineEventKindSchema,
} from '../../schema/timeline-event.ts'
import { problemIn, validate } from '../../schema/validate.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { checkPrincipal } from '../http/authenticate.ts'
import { fromDatabaseError } from '../store/errors.ts'
import type { SessionPolicy } from '../store/policy.ts'
import type { Preparer } from '../store/prepared-statements.ts'

const searchSchema = z.strictObject({
  query: textField.check(z.maxLength(1_000)),
  sessionId: z.optional(idField),
  kinds: z.optional(z.array(timelineEventKindSchema).check(z.minLength(1), z.maxLength(8))),
  roles: z.optional(listOfTexts(20)),
  tools: z.optional(listOfTexts(50)),
  from: z.optional(z.date()),
  until: z.optional(z.date()),
  limit: z._default(z.int().check(z.minimum(1), z.maximum(100)), 20),
  folded: z.optional(z.boolean()),
  cursor: z.optional(z.string().check(z.maxLength(1_000))),
})

/** A search over timeline events. */
export interface EventSearch extends Omit<TimelineFilter, 'text'> {
  /**
   * Words that must all occur, with `"a phrase"`, `or` and `-without`. Case-insensitive and without
   * stemming, so that code is found as written.
   */
  readonly query: string
  /** Searches one session. Default: every session the principal may see. */
  readonly sessionId?: string
  /** Hits per page, 1 to 100. Default: 20. */
  readonly limit?: number
  /** `nextCursor` of the previous page. */
  readonly cursor?: string
}

/** An event that matches a search. */
export interface EventHit
  extends Pick<
    TimelineEventRow,
    'sessionId' | 'id' | 'seq' | 'kind' | 'role' | 'occurredAt' | 'title' | 'toolName'
  > {
  readonly sessionTitle: string
  /** Higher is better; only comparable within one search. */
  readonly rank: number
  readonly snippet: Snippet
}

/** A page of hits, best first. */
export interface EventHits {
  readonly hits: readonly EventHit[]
  /** Cursor of the next page; null on the last one. */
  readonly nextCursor: string | null
}

interface SearchContext<P extends Principal> {
  readonly pool: Pool
  readonly policy: SessionPolicy<P>
  readonly preparer: Preparer
}

interface HitRow extends Omit<EventHit, 'snippet'> {
  readonly headline: string
}

/**
 * Finds events by title, tool name and text, in all sessions the principal may see. The access rule is
 * part of the statement.
 *
 * @throws SessionDbError `invalid` for a malformed search or cursor.
 */
export async function searchEvents<P extends Principal>(
  context: SearchContext<P>,
  principal: P,
  search: EventSearch,
): Promise<EventHits> {
  checkPrincipal(principal)
  const parsed = validate(searchSchema, search)
  if (!parsed.success) {
    throw new SessionDbError('invalid', problemIn(parsed.error, 'The search'))
  }
  const { limit } = parsed.data
  const statement = context.preparer.prepare(searchStatement(context, principal, parsed.data))
  const rows = await context.pool.query(statement).then(
    (result) => result.rows as HitRow[],
    (error: unknown) => Promise.reject(fromDatabaseError(error)),
  )
  const hits = rows
    .slice(0, limit)
    .map(({ headline, ...hit }) => ({ ...hit, snippet: toSnippet(headline) }))
  const last = hits.at(-1)
  return { hits, nextCursor: rows.length > limit && last ? encodeCursor(last) : null }
}

/**
 * Builds the statement. Snippets are the expensive part, so they are made for the page only. The
 * lexemes of tenant and session narrow the index scan; the columns decide.
 */
function searchStatement<P extends Principal>(
  { policy }: SearchContext<P>,
  principal: P,
  search: z.output<typeof searchSchema>,
): RawBuilder<HitRow> {
  const { tenantId } = principal
  const after = search.cursor === undefined ? undefined : decodeCursor(search.cursor)
  const scope =
    search.sessionId === undefined
      ? lexeme(2, tenantId)
      : sql`(${lexeme(2, tenantId)} && ${lexeme(3, search.sessionId)})`
  const conditions = [
    sql`event.tenant_id = ${tenantId}`,
    sql`${DOCUMENT} @@ (${scope} && words.query)`,
    // A query without words would match the whole scope.
    sql`numnode(words.query) > 0`,
    sql`(${policy.see(principal)})`,
    ...optional(search.sessionId, (id) => sql`event.session_id = ${id}`),
    ...optional(search.kinds, (kinds) => sql`event.kind = ANY (${kinds}::text[])`),
    ...optional(search.roles, (roles) => sql`event.role = ANY (${roles}::text[])`),
    ...optional(search.tools, (tools) => sql`event.tool_name = ANY (${tools}::text[])`),
    ...optional(
      search.from,
      (from) => sql`event.occurred_at >= ${from.toISOString()}::timestamptz`,
    ),
    ...(search.folded === false ? [sql`event.fold IS NULL`] : []),
    ...optional(search.until, (end) => sql`event.occurred_at < ${end.toISOString()}::timestamptz`),
  ]
  const page = after
    ? sql`WHERE (-hit.rank, hit.session_id, hit.seq)
        > (-${after.rank}::real, ${after.sessionId}::text, ${after.seq}::integer)`
    : sql``
  return sql`
    WITH words AS MATERIALIZED (SELECT websearch_to_tsquery('simple', ${search.query}) AS query),
    page AS (
      SELECT * FROM (
        SELECT event.session_id, event.id, event.seq, event.kind, event.role, event.occurred_at,
          event.title, event.tool_name, event.text, session.title AS session_title,
          ts_rank_cd(${DOCUMENT}, words.query, 1)::real AS rank
        FROM words, timeline_events AS event
        JOIN sessions AS session
          ON session.tenant_id = event.tenant_id AND session.id = event.session_id
        WHERE ${sql.join(conditions, sql` AND `)}
      ) AS hit ${page}
      ORDER BY -hit.rank, hit.session_id, hit.seq LIMIT ${search.limit + 1}
    )
    SELECT session_id AS "sessionId", id, seq, kind, role, occurred_at AS "occurredAt", title,
      tool_name AS "toolName", session_title AS "sessionTitle", rank,
      ts_headline('simple', concat_ws(' ', title, tool_name, left(text, 20000)), words.query,
        ${SNIPPET_OPTIONS}) AS headline
    FROM page, words ORDER BY -rank, session_id, seq`
}

const DOCUMENT = sql`session_db_event_document(event.tenant_id, event.session_id, event.title,
  event.tool_name, event.text, event.more_words)`

/** Returns a tsquery for the lexeme of an event's tenant (2) or session (3). */
function lexeme(mark: 2 | 3, id: string): RawBuilder<unknown> {
  const quoted = `'${(String.fromCharCode(mark) + id).replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
  return sql`${quoted}::tsquery`
}

function optional<Value>(
  value: Value | undefined,
  condition: (value: Value) => RawBuilder<unknown>,
): RawBuilder<unknown>[] {
  return value === undefined ? [] : [condition(value)]
}

const cursorSchema = z.tuple([z.number(), z.string(), z.int()])

/** The last hit of a page. */
interface SearchPosition {
  readonly rank: number
  readonly sessionId: string
  readonly seq: number
}

/** Encodes a position as an opaque cursor. */
function encodeCursor({ rank, sessionId, seq }: SearchPosition): string {
  return Buffer.from(JSON.stringify([rank, sessionId, seq])).toString('base64url')
}

/** @throws SessionDbError `invalid` when the text is not a cursor. */
function decodeCursor(cursor: string): SearchPosition {
  try {
    const text = Buffer.from(cursor, 'base64url').toString('utf8')
    const [rank, sessionId, seq] = cursorSchema.parse(JSON.parse(text))
    return { rank, sessionId, seq }
  } catch {
    throw new SessionDbError('invalid', 'cursor: Expected the nextCursor of a previous page.')
  }
}

const START = '\uE000'
const END = '\uE001'

/** Marks matches with private-use characters, which are not expected in logs. */
const SNIPPET_OPTIONS = `StartSel=${START}, StopSel=${END}, MaxWords=35, MinWords=15, MaxFragments=2, FragmentDelimiter=" … "`

/** The part of a text around its matches. */
export interface Snippet {
  readonly text: string
  /** Matches in `text`, as [start, end) in UTF-16 code units. */
  readonly matches: readonly (readonly [start: number, end: number])[]
}

/** Converts the marks of a headline to ranges, so that highlights are data and never markup. */
function toSnippet(headline: string): Snippet {
  let text = ''
  let start: number | undefined
  const matches: [number, number][] = []
  for (const part of headline.split(/([\uE000\uE001])/)) {
    if (part === START) start = text.length
    else if (part === END && start !== undefined) {
      matches.push([start, text.length])
      start = undefined
    } else if (part !== END) text += part
  }
  return { text, matches }
}
