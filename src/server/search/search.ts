import { type RawBuilder, sql } from 'kysely'
import type { Pool } from 'pg'
import * as z from 'zod/mini'
import type { ChatMessage } from '../../schema/chat-message.ts'
import { idField, textField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import {
  listOfTexts,
  type TimelineEventRow,
  type TimelineFilter,
  timelineEventKindSchema,
} from '../../schema/timeline-event.ts'
import { validated } from '../../schema/validate.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import { checkPrincipal } from '../http/authenticate.ts'
import { fromDatabaseError } from '../store/errors.ts'
import type { SessionPolicy } from '../store/policy.ts'
import type { Preparer } from '../store/prepared-statements.ts'
import {
  anyPattern,
  needsCheck,
  parseQuery,
  patternOf,
  quotedLexeme,
  type Snippet,
  snippetOf,
  type TermGroup,
  tsqueryOf,
} from './query.ts'
import type { TimelineFacet } from './timeline-outline.ts'

const searchSchema = z.strictObject({
  query: textField.check(z.maxLength(1_000)),
  sessionId: z.optional(idField),
  sources: z.optional(z.array(z.enum(['event', 'message'])).check(z.minLength(1), z.maxLength(2))),
  kinds: z.optional(z.array(timelineEventKindSchema).check(z.minLength(1), z.maxLength(8))),
  roles: z.optional(listOfTexts(20)),
  tools: z.optional(listOfTexts(50)),
  from: z.optional(z.date()),
  until: z.optional(z.date()),
  limit: z._default(z.int().check(z.minimum(1), z.maximum(100)), 20),
  folded: z.optional(z.boolean()),
  cursor: z.optional(z.string().check(z.maxLength(1_000))),
})

type Request = z.output<typeof searchSchema>

/** A search over the timeline events and chat messages of sessions. */
export interface SessionSearch extends Omit<TimelineFilter, 'text' | 'agents'> {
  /**
   * Words that must all occur, with `"a phrase"`, `or` and `-without`. Case-insensitive, without
   * stemming. A word finds what starts with it, also within identifiers and paths: `user` finds
   * `getUserById` and `src/user-list.ts`. Chinese, Japanese, Korean and Thai are found by any part.
   */
  readonly query: string
  /** Searches one session. Default: every session the principal may see. */
  readonly sessionId?: string
  /** Searches only events, or only chat messages. Default: both. */
  readonly sources?: readonly ('event' | 'message')[]
  /** Hits per page, 1 to 100. Default: 20. */
  readonly limit?: number
  /** `nextCursor` of the previous page. */
  readonly cursor?: string
}

interface Hit {
  readonly sessionId: string
  readonly sessionTitle: string
  readonly id: string
  /** Higher is better; only comparable within one search. */
  readonly rank: number
  readonly snippet: Snippet
}

/** An event that matches a search. */
export interface EventHit
  extends Hit,
    Pick<TimelineEventRow, 'seq' | 'kind' | 'role' | 'occurredAt' | 'title' | 'toolName'> {
  readonly source: 'event'
}

/** A chat message that matches a search. */
export interface MessageHit
  extends Hit,
    Pick<ChatMessage, 'threadId' | 'role' | 'createdAt' | 'position'> {
  readonly source: 'message'
}

/** Numbers of hits by the values a search can be narrowed to, most first. */
export interface SearchFacets {
  readonly sources: readonly TimelineFacet<'event' | 'message'>[]
  readonly kinds: readonly TimelineFacet<TimelineEventRow['kind']>[]
  readonly roles: readonly TimelineFacet[]
  readonly tools: readonly TimelineFacet[]
  /** Ids of sessions. */
  readonly sessions: readonly TimelineFacet[]
}

/** A page of hits, best first. */
export interface SearchHits {
  readonly hits: readonly (EventHit | MessageHit)[]
  /** Cursor of the next page; null on the last one. */
  readonly nextCursor: string | null
  readonly facets: SearchFacets
  /** True when there are more matches than are ranked and counted: then the newest sessions come first. */
  readonly isPartial: boolean
}

/** A search over timeline events only. */
export type EventSearch = Omit<SessionSearch, 'sources'>

/** A page of events, best first. */
export interface EventHits extends Omit<SearchHits, 'hits'> {
  readonly hits: readonly EventHit[]
}

interface SearchContext<P extends Principal> {
  readonly pool: Pool
  readonly policy: SessionPolicy<P>
  readonly preparer: Preparer
}

/**
 * Rows of each source that the index may find. All of them are ranked, which takes some 10 µs each. Words
 * that more rows have are common, so a few of the newest rows have enough of them.
 */
const MOST_FOUND = 5_000

/** The newest rows of each source in which common words are looked for, without the index. */
const MOST_READ = 8_000

/** Estimated rows of words that are common, by far: the index takes long to find them all, for nothing. */
const SURELY_COMMON = 4 * MOST_FOUND

/** Matches of common words that are ranked. */
const MOST_RANKED = 300

const NO_FACETS: SearchFacets = { sources: [], kinds: [], roles: [], tools: [], sessions: [] }

/**
 * Finds events and chat messages in all sessions the principal may see. The access rule is part of the
 * statement.
 *
 * @throws SessionDbError `invalid` for a malformed search or cursor.
 */
export async function search<P extends Principal>(
  context: SearchContext<P>,
  principal: P,
  input: SessionSearch,
): Promise<SearchHits> {
  checkPrincipal(principal)
  const request = validated(searchSchema, input, 'The search')
  const after = request.cursor === undefined ? undefined : decodePosition(request.cursor)
  const groups = parseQuery(request.query)
  if (groups.length === 0) {
    return { hits: [], nextCursor: null, facets: NO_FACETS, isPartial: false }
  }
  const now = after?.now ?? Date.now()
  const run = async (ways: Ways) => {
    const statement = pageStatement({ context, principal, request, groups, ways, now, after })
    const { rows } = await context.pool.query(context.preparer.prepare(statement))
    return rows[0] as PageRow
  }
  try {
    let ways: Ways = after?.ways ?? (await firstWays(context, principal, request, groups))
    let page = await run(ways)
    /** Goes another way for some sources. */
    const retry = async (way: Way, isMeant: (source: Source) => boolean) => {
      const of = (source: Source) => (isMeant(source) ? way : ways[source])
      const next: Ways = { event: of('event'), message: of('message') }
      if (next.event === ways.event && next.message === ways.message) return
      ways = next
      page = await run(ways)
    }
    const isShort = () => page.hits.length <= request.limit
    const isNewest = (source: Source) => ways[source] === 'newest'
    const foundTooMuch = (source: Source) =>
      ways[source] === 'ranked' && (source === 'event' ? page.events : page.messages) > MOST_FOUND
    if (after === undefined) {
      const hasReadNewest = isNewest('event') || isNewest('message')
      // Common words, but not the phrase that they form, or not together with a filter.
      if (isShort()) await retry('ranked', isNewest)
      await retry(hasReadNewest ? 'all' : 'newest', foundTooMuch)
      if (isShort()) await retry('all', isNewest)
    }
    const isPartial =
      Object.values(ways).includes('newest') ||
      (ways.event === 'all' && page.events > MOST_RANKED) ||
      (ways.message === 'all' && page.messages > MOST_RANKED)
    const hits = page.hits.slice(0, request.limit)
    const last = hits.at(-1)
    const goesOn = page.hits.length > request.limit && last !== undefined
    return {
      hits: hits.map((hit) => toHit(hit, groups)),
      nextCursor: goesOn ? encodePosition({ ...positionOf(last), now, ways }) : null,
      facets: facetsOf(page.facets ?? []),
      isPartial,
    }
  } catch (error) {
    throw fromDatabaseError(error)
  }
}

type Source = 'event' | 'message'

/**
 * The ways to search a source: `ranked` ranks all rows that the index finds, up to a limit. For common
 * words, `newest` reads rows session by session, newest first, and `all` reads whatever the index finds,
 * until there are enough matches.
 */
const WAYS = ['ranked', 'newest', 'all'] as const
type Way = (typeof WAYS)[number]
type Ways = Readonly<Record<Source, Way>>

/** Returns false for a source that the request's filters leave out: messages have one kind, and no tool. */
function isSearched(source: Source, { sources, kinds, tools }: Request): boolean {
  if (!(sources?.includes(source) ?? true)) return false
  return source === 'event' || (tools === undefined && (kinds?.includes('message') ?? true))
}

/** Chooses the ways from the planner's estimates, which take a thousandth of the time of a search. */
async function firstWays<P extends Principal>(
  { pool, preparer }: SearchContext<P>,
  principal: P,
  request: Request,
  groups: readonly TermGroup[],
): Promise<Ways> {
  if (request.sessionId !== undefined) return { event: 'ranked', message: 'ranked' }
  const query = indexQuery(principal, request, groups)
  const wayOf = async (source: Source, matching: RawBuilder<unknown>): Promise<Way> => {
    if (!isSearched(source, request)) return 'ranked'
    const statement = sql<Explained>`EXPLAIN (FORMAT JSON) SELECT 1 ${matching} @@ ${query}::tsquery`
    const { rows } = await pool.query(preparer.prepare(statement))
    const estimate = (rows[0] as Explained)['QUERY PLAN'][0].Plan['Plan Rows']
    return estimate > SURELY_COMMON ? 'newest' : 'ranked'
  }
  const [event, message] = await Promise.all([
    wayOf('event', sql`FROM timeline_events AS event WHERE ${EVENT_DOCUMENT}`),
    wayOf('message', sql`FROM chat_messages AS message WHERE ${MESSAGE_DOCUMENT}`),
  ])
  return { event, message }
}

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }]
}

const EVENT_DOCUMENT = sql`session_db_event_document(event.tenant_id, event.session_id, event.title,
  event.tool_name, event.text, event.more_words)`
const MESSAGE_DOCUMENT = sql`session_db_message_document(message.tenant_id, message.session_id,
  message.content)`

/** The lexemes of tenant and session narrow the index scan; the columns decide. */
function indexQuery(
  { tenantId }: Principal,
  { sessionId }: Request,
  groups: readonly TermGroup[],
): string {
  const lexemes = [quotedLexeme(`\u0002${tenantId}`)]
  if (sessionId !== undefined) lexemes.push(quotedLexeme(`\u0003${sessionId}`))
  const words = groups.map((group) => `(${tsqueryOf(group)})`).join(' | ')
  return `${lexemes.join(' & ')} & (${words})`
}

interface PageParts<P extends Principal> {
  readonly context: SearchContext<P>
  readonly principal: P
  readonly request: Request
  readonly groups: readonly TermGroup[]
  readonly ways: Ways
  readonly now: number
  readonly after: Position | undefined
}

/** A hit as the statement returns it. */
interface HitRow {
  readonly source: 'event' | 'message'
  readonly session_id: string
  readonly session_title: string
  readonly id: string
  readonly place: number
  readonly rank: number
  readonly kind: TimelineEventRow['kind']
  readonly role: string | null
  readonly at: string | null
  readonly title: string | null
  readonly tool_name: string | null
  readonly thread_id: string | null
  readonly text: string | null
  readonly more_words: string | null
}

interface PageRow {
  /** Rows that the index found, or that match, up to one more than are ranked. */
  readonly events: number
  readonly messages: number
  readonly hits: readonly HitRow[]
  readonly facets: readonly { facet: keyof SearchFacets; value: string; count: number }[] | null
}

/** Texts are needed for the snippets of the page only, so they are read last. */
function pageStatement<P extends Principal>(parts: PageParts<P>): RawBuilder<PageRow> {
  const { request, after, now, ways } = parts
  const { tenantId } = parts.principal
  /** The rows that decide whether a search goes another way, or is partial. */
  const counted = (source: Source) =>
    sql.ref(`${source}_${ways[source] === 'ranked' ? 'found' : 'matches'}`)
  const page = after
    ? sql`WHERE (-rank, session_id, source, place) > (-${after.rank}::real, ${after.sessionId}::text,
        ${after.source}::text, ${after.place}::bigint)`
    : sql``
  return sql`
    WITH ${eventMatches(parts)}, ${messageMatches(parts)}, ranked AS MATERIALIZED (
      SELECT *, (${RANK} + 1 / (1 + greatest(0,
        ${now}::float8 / 86400000 - extract(epoch FROM at) / 86400) / 30))::real AS rank
      FROM (SELECT * FROM event_matches UNION ALL SELECT * FROM message_matches) AS matched
    ), page AS (
      SELECT * FROM ranked ${page} ORDER BY -rank, session_id, source, place LIMIT ${request.limit + 1}
    )
    SELECT (SELECT count(*)::integer FROM ${counted('event')}) AS events,
      (SELECT count(*)::integer FROM ${counted('message')}) AS messages,
      (SELECT coalesce(json_agg(hit ORDER BY -hit.rank, hit.session_id, hit.source, hit.place), '[]')
       FROM (
         SELECT page.*, session.title AS session_title,
           left(coalesce(event.text, message.content), 50000) AS text, event.more_words
         FROM page
         JOIN sessions AS session
           ON session.tenant_id = ${tenantId} AND session.id = page.session_id
         LEFT JOIN timeline_events AS event ON page.source = 'event'
           AND event.tenant_id = ${tenantId} AND event.id = page.id
         LEFT JOIN chat_messages AS message ON page.source = 'message'
           AND message.tenant_id = ${tenantId} AND message.id = page.id
       ) AS hit) AS hits,
      (SELECT json_agg(counted) FROM (
         SELECT facet, value, count(*)::integer AS count FROM ranked,
           LATERAL (VALUES ('sources', source), ('kinds', kind), ('roles', role),
             ('tools', tool_name), ('sessions', session_id)) AS facets (facet, value)
         WHERE value IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 2
       ) AS counted) AS facets`
}

/** Words of people and agents come before their tools, and what a view folds last. */
const RANK = sql`CASE WHEN fold IS NOT NULL THEN 0 WHEN kind = 'message' THEN 2
  WHEN kind IN ('reasoning', 'tool_call', 'file_change') THEN 1 ELSE 0.5 END
  + CASE WHEN titled THEN 0.5 ELSE 0 END`

function eventMatches<P extends Principal>(parts: PageParts<P>): RawBuilder<unknown> {
  const { request, ways, groups } = parts
  const { kinds, roles, tools, from, until, folded } = request
  const text = sql`concat_ws(' ', event.title, event.tool_name, event.text, event.more_words)`
  const conditions = [
    ...optional(kinds, (list) => sql`event.kind = ANY (${list}::text[])`),
    ...optional(roles, (list) => sql`event.role = ANY (${list}::text[])`),
    ...optional(tools, (list) => sql`event.tool_name = ANY (${list}::text[])`),
    ...optional(from, (time) => sql`event.occurred_at >= ${time.toISOString()}::timestamptz`),
    ...optional(until, (time) => sql`event.occurred_at < ${time.toISOString()}::timestamptz`),
    ...(folded === false ? [sql`event.fold IS NULL`] : []),
  ]
  const titled = sql`coalesce(event.title ~* ${anyPattern(groups)}, false)`
  const columns = sql`'event' AS source, event.session_id, event.id, event.seq::bigint AS place,
    event.kind, event.role, event.occurred_at AS at, event.title, event.tool_name,
    NULL::text AS thread_id, event.fold, ${titled} AS titled`
  // The index decides for single words; a text that was cut may have the words of a phrase anywhere.
  const isCut = sql`event.text LIKE '%more characters]'`
  return matches(parts, {
    source: 'event',
    way: ways.event,
    columns,
    table: sql`timeline_events AS event`,
    alias: 'event',
    document: EVENT_DOCUMENT,
    text,
    conditions,
    isCut,
  })
}

function messageMatches<P extends Principal>(parts: PageParts<P>): RawBuilder<unknown> {
  const { request, ways } = parts
  const { roles, from, until } = request
  const conditions = [
    ...optional(roles, (list) => sql`message.role = ANY (${list}::text[])`),
    ...optional(from, (time) => sql`message.created_at >= ${time.toISOString()}::timestamptz`),
    ...optional(until, (time) => sql`message.created_at < ${time.toISOString()}::timestamptz`),
  ]
  return matches(parts, {
    source: 'message',
    way: ways.message,
    columns: sql`'message' AS source, message.session_id, message.id, message.position AS place,
      'message' AS kind, message.role, message.created_at AS at, NULL::text AS title,
      NULL::text AS tool_name, message.thread_id, NULL::text AS fold, false AS titled`,
    table: sql`chat_messages AS message`,
    alias: 'message',
    document: MESSAGE_DOCUMENT,
    text: sql`message.content`,
    conditions,
    isCut: sql`false`,
  })
}

interface Searched {
  readonly source: Source
  readonly way: Way
  readonly columns: RawBuilder<unknown>
  readonly table: RawBuilder<unknown>
  readonly alias: string
  readonly document: RawBuilder<unknown>
  readonly text: RawBuilder<unknown>
  readonly conditions: readonly RawBuilder<unknown>[]
  readonly isCut: RawBuilder<unknown>
}

function matches<P extends Principal>(
  { context, principal, request, groups, after }: PageParts<P>,
  { source, way, columns, table, alias, document, text, conditions, isCut }: Searched,
): RawBuilder<unknown> {
  const { tenantId } = principal
  const row = (name: string) => sql.ref(`${alias}.${name}`)
  const scope = [
    sql`${row('tenant_id')} = ${tenantId}`,
    ...optional(request.sessionId, (id) => sql`${row('session_id')} = ${id}`),
    ...conditions,
    ...(isSearched(source, request) ? [] : [sql`false`]),
  ]
  const see = sql`(${context.policy.see(principal)})`
  const session = sql`session.tenant_id = ${tenantId}`
  const [found, matching] = [sql.ref(`${alias}_found`), sql.ref(`${alias}_matches`)]
  if (way === 'newest') {
    const checks = groups.map((group) => exact(group, sql`false`, () => true))
    // OFFSET 0 makes the planner read one session after the other.
    return sql`
      ${found} AS MATERIALIZED (
        SELECT hit.* FROM (
          SELECT session.id FROM sessions AS session WHERE ${session} AND ${see}
          ORDER BY coalesce(session.ended_at, session.started_at, session.created_at) DESC, session.id
        ) AS newest
        CROSS JOIN LATERAL (
          SELECT ${columns}, ${text} AS searched FROM ${table}
          WHERE ${row('session_id')} = newest.id AND ${sql.join(scope, sql` AND `)} OFFSET 0
        ) AS hit
        LIMIT ${MOST_READ}
      ), ${matching} AS MATERIALIZED (
        SELECT ${HIT} FROM ${found} AS hit WHERE ${sql.join(checks, sql` OR `)} LIMIT ${MOST_RANKED}
      )`
  }
  const query = indexQuery(principal, request, groups)
  const isChecked = groups.some(({ all, none }) => all.some(needsCheck) || none.length > 0)
  const searched = isChecked ? sql`${text} AS searched, ${isCut} AS is_cut` : sql`NULL AS searched`
  const checks = groups.map((group) => exact(group, sql`hit.is_cut`, needsCheck))
  // Ranking and counting take as long as finding, and a search that found too much goes another way.
  const isRanked =
    way === 'ranked' && after === undefined
      ? sql`(SELECT count(*) FROM ${found}) <= ${MOST_FOUND}`
      : sql`true`
  // A statement of its own, so that the limit doesn't tempt the planner to compute the documents of all
  // rows until enough match.
  return sql`
    ${found} AS MATERIALIZED (
      WITH indexed AS MATERIALIZED (
        SELECT ${columns}, ${searched} FROM ${table}
        WHERE ${sql.join(scope, sql` AND `)} AND ${document} @@ ${query}::tsquery
      ) SELECT * FROM indexed ${way === 'ranked' ? sql`LIMIT ${MOST_FOUND + 1}` : sql``}
    ), ${matching} AS MATERIALIZED (
      SELECT ${HIT} FROM ${found} AS hit
      JOIN sessions AS session ON ${session} AND session.id = hit.session_id
      WHERE ${isRanked} AND ${see} AND (${sql.join(checks, sql` OR `)})
      ${way === 'all' ? sql`LIMIT ${MOST_RANKED + 1}` : sql``}
    )`
}

const HIT = sql`hit.source, hit.session_id, hit.id, hit.place, hit.kind, hit.role, hit.at, hit.title,
  hit.tool_name, hit.thread_id, hit.fold, hit.titled`

/** Checks the terms of a group in the text of a row. */
function exact(
  { all, none }: TermGroup,
  isCut: RawBuilder<unknown>,
  isChecked: typeof needsCheck,
): RawBuilder<unknown> {
  const conditions = [
    ...all.filter(isChecked).map((term) => sql`(hit.searched ~* ${patternOf(term)} OR ${isCut})`),
    ...none.map((term) => sql`coalesce(hit.searched, '') !~* ${patternOf(term)}`),
  ]
  return conditions.length === 0 ? sql`true` : sql`(${sql.join(conditions, sql` AND `)})`
}

function optional<Value>(
  value: Value | undefined,
  condition: (value: Value) => RawBuilder<unknown>,
): RawBuilder<unknown>[] {
  return value === undefined ? [] : [condition(value)]
}

function toHit(row: HitRow, groups: readonly TermGroup[]): EventHit | MessageHit {
  const { session_id: sessionId, session_title: sessionTitle, id, rank } = row
  const hit = { sessionId, sessionTitle, id, rank, snippet: bestSnippet(row, groups) }
  const at = row.at === null ? null : new Date(row.at)
  if (row.source === 'message') {
    const {
      role,
      thread_id: threadId,
      place: position,
    } = row as HitRow & {
      role: ChatMessage['role']
      thread_id: string
    }
    return { ...hit, source: 'message', threadId, role, position, createdAt: at ?? new Date(0) }
  }
  const { place: seq, kind, role, title, tool_name: toolName } = row
  return { ...hit, source: 'event', seq, kind, role, occurredAt: at, title, toolName }
}

/** Prefers the text to the title, and both to words beyond the text. */
function bestSnippet(row: HitRow, groups: readonly TermGroup[]): Snippet {
  const heading = [row.title, row.tool_name].filter((text) => text !== null).join(' ')
  const text = row.text ?? ''
  const snippets = [text, heading ? `${heading} ${text}` : '', row.more_words ?? '']
    .filter((part) => part !== '')
    .map((part) => snippetOf(part, groups))
  return snippets.find(({ matches: found }) => found.length > 0) ?? snippets[0] ?? EMPTY
}

const EMPTY: Snippet = { text: '', matches: [] }

function facetsOf(rows: NonNullable<PageRow['facets']>): SearchFacets {
  const of = (name: keyof SearchFacets) =>
    rows.flatMap(({ facet, value, count }) => (facet === name ? [{ value, count }] : []))
  return {
    sources: of('sources') as SearchFacets['sources'],
    kinds: of('kinds') as SearchFacets['kinds'],
    roles: of('roles'),
    tools: of('tools'),
    sessions: of('sessions'),
  }
}

/** The last hit of a page, and what the search must repeat to go on after it. */
interface Position {
  readonly rank: number
  readonly sessionId: string
  readonly source: string
  readonly place: number
  /** The time from which recency is counted. */
  readonly now: number
  readonly ways: Ways
}

const cursorSchema = z.tuple([
  z.number(),
  z.string(),
  z.enum(['event', 'message']),
  z.int(),
  z.int(),
  z.enum(WAYS),
  z.enum(WAYS),
])

function positionOf({ rank, session_id: sessionId, source, place }: HitRow) {
  return { rank, sessionId, source, place }
}

function encodePosition({ rank, sessionId, source, place, now, ways }: Position): string {
  return encodeCursor([rank, sessionId, source, place, now, ways.event, ways.message])
}

function decodePosition(cursor: string): Position {
  const [rank, sessionId, source, place, now, event, message] = decodeCursor(cursorSchema, cursor)
  return { rank, sessionId, source, place, now, ways: { event, message } }
}
