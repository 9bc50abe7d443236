import { type RawBuilder, sql } from 'kysely'
import type { Pool } from 'pg'
import * as z from 'zod/mini'
import { idField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import {
  containsPattern,
  type TimelineEventRow,
  type TimelineFilter,
  timelineFilterSchema,
} from '../../schema/timeline-event.ts'
import { validated } from '../../schema/validate.ts'
import { NOTICE_TITLES } from '../../timeline/conversation/build-conversation.ts'
import { checkPrincipal } from '../http/authenticate.ts'
import { fromDatabaseError } from '../store/errors.ts'
import type { SessionPolicy } from '../store/policy.ts'
import type { Preparer } from '../store/prepared-statements.ts'

/** A filter on the events of one session. */
export interface OutlineRequest extends TimelineFilter {
  readonly sessionId: string
  /**
   * Only events that have a row of their own in a conversation: prompts, answers, reasoning, tool calls, and
   * results and changes without a call; see `buildConversation`. Default: false.
   */
  readonly conversation?: boolean
  /** Returns only the first events. Default: all. */
  readonly limit?: number
  /** Also returns where days start and pauses end, and the sub-agents. Default: false. */
  readonly marks?: boolean
  /** IANA time zone of the days. Default: `UTC`. */
  readonly timeZone?: string
  /** Shortest pause that is marked, in ms. Default: 30 minutes. */
  readonly gapMs?: number
}

/** Places of the events that pass a filter, in the order of the session. */
export interface TimelineOutline {
  readonly count: number
  /** Seqs as [first, end); neighbours are merged, so a whole timeline is one range. */
  readonly ranges: readonly (readonly [first: number, end: number])[]
  /** Events before which a day starts or a pause ends; only with `marks`. */
  readonly marks?: readonly OutlineMark[]
  /** Sub-agents whose events are in the session; only with `marks`. */
  readonly agents?: readonly OutlineAgent[]
}

/** A place in time before an event. */
export interface OutlineMark {
  readonly seq: number
  /** The day that starts, as `2026-01-31`; null if it goes on. */
  readonly day: string | null
  /** The pause before the event, in ms; null for a short one. */
  readonly gapMs: number | null
}

/** A sub-agent, whose events a view may fold under the call that started it. */
export interface OutlineAgent {
  /** The agent's own id of it; null if it has none. */
  readonly agentId: string | null
  /** `seq` of the call that started it; null if it isn't known. */
  readonly callSeq: number | null
  readonly count: number
  /** Its events are among [first, end), maybe between those of others. */
  readonly first: number
  readonly end: number
}

/** A value and the number of events that have it. */
export interface TimelineFacet<Value extends string = string> {
  readonly value: Value
  readonly count: number
}

/** Values a session's events can be filtered by, most frequent first. */
export interface TimelineFacets {
  readonly kinds: readonly TimelineFacet<TimelineEventRow['kind']>[]
  readonly roles: readonly TimelineFacet[]
  readonly tools: readonly TimelineFacet[]
}

interface OutlineContext<P extends Principal> {
  readonly pool: Pool
  readonly policy: SessionPolicy<P>
  readonly preparer: Preparer
}

const outlineSchema = z.extend(timelineFilterSchema, {
  sessionId: idField,
  limit: z.optional(z.int().check(z.minimum(1))),
  conversation: z.optional(z.boolean()),
  marks: z.optional(z.boolean()),
  timeZone: z._default(z.string().check(z.refine(isTimeZone, 'is no time zone')), 'UTC'),
  gapMs: z._default(z.number().check(z.minimum(0)), 30 * 60 * 1_000),
})

/**
 * Finds the places of the events that pass a filter, for a timeline too long to be filtered in the
 * browser. A session the principal may not see has none.
 *
 * @throws SessionDbError `invalid` for a malformed filter.
 */
export async function outlineTimeline<P extends Principal>(
  context: OutlineContext<P>,
  principal: P,
  request: OutlineRequest,
): Promise<TimelineOutline> {
  checkPrincipal(principal)
  const outline = validated(outlineSchema, request, 'The filter')
  const { sessionId, limit } = outline
  const limited = limit === undefined ? sql`` : sql`LIMIT ${limit}`
  // Consecutive seqs have the same difference between seq and row number.
  const rows = await run<{ first: number; end: number }>(
    context,
    sql`
      SELECT min(seq) AS first, max(seq) + 1 AS "end" FROM (
        SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM (
          SELECT event.seq ${visibleEvents(context, principal, sessionId, outline)}
          ORDER BY event.seq ${limited}
        ) AS found
      ) AS numbered
      GROUP BY island ORDER BY 1`,
  )
  const more = outline.marks === true ? await readMarks(context, principal, outline) : {}
  return {
    ...more,
    count: rows.reduce((sum, { first, end }) => sum + end - first, 0),
    ranges: rows.map(({ first, end }) => [first, end] as const),
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}

/** Events without a time have no marks; the pause is that since the last event with a time. */
async function readMarks<P extends Principal>(
  context: OutlineContext<P>,
  principal: P,
  { sessionId, timeZone, gapMs, ...filter }: z.output<typeof outlineSchema>,
): Promise<Required<Pick<TimelineOutline, 'marks' | 'agents'>>> {
  const visible = visibleEvents(context, principal, sessionId, filter)
  const marks = await run<OutlineMark>(
    context,
    sql`
      SELECT seq, CASE WHEN day IS DISTINCT FROM lag(day) OVER places THEN day END AS day,
        CASE WHEN gap >= ${gapMs}::float8 THEN gap END AS "gapMs"
      FROM (
        SELECT event.seq, to_char(event.occurred_at AT TIME ZONE ${timeZone}::text, 'YYYY-MM-DD') AS day,
          extract(epoch FROM event.occurred_at - lag(event.occurred_at) OVER (ORDER BY event.seq))::float8
            * 1000 AS gap
        ${visible} AND event.occurred_at IS NOT NULL
      ) AS timed
      WINDOW places AS (ORDER BY seq)
      ORDER BY seq`,
  )
  const agents = await run<OutlineAgent>(
    context,
    sql`
      SELECT agent.id AS "agentId", agent.count, agent.first, agent.last + 1 AS "end",
        call.seq AS "callSeq"
      FROM (
        SELECT event.data ->> 'agentId' AS id, count(*)::integer AS count, min(event.seq) AS first,
          max(event.seq) AS last, (array_agg(event.parent_id ORDER BY event.seq))[1] AS parent
        ${visible} AND event.data ->> 'sidechain' = 'true' GROUP BY 1
      ) AS agent
      LEFT JOIN timeline_events AS call
        ON call.tenant_id = ${principal.tenantId} AND call.id = agent.parent
          AND call.session_id = ${sessionId}
      ORDER BY agent.first`,
  )
  return { marks: marks.filter(({ day, gapMs: gap }) => day !== null || gap !== null), agents }
}

/** Counts the values a session's events can be filtered by. */
export async function timelineFacets<P extends Principal>(
  context: OutlineContext<P>,
  principal: P,
  sessionId: string,
): Promise<TimelineFacets> {
  checkPrincipal(principal)
  const rows = await run<{ kind: string | null; role: string | null; tool: string | null } & Count>(
    context,
    sql`
      SELECT event.kind, event.role, event.tool_name AS tool, count(*)::integer AS count
      ${visibleEvents(context, principal, sessionId, {})}
      GROUP BY GROUPING SETS ((event.kind), (event.role), (event.tool_name))
      ORDER BY count(*) DESC, 1, 2, 3`,
  )
  const facet = (name: 'kind' | 'role' | 'tool') =>
    rows.flatMap(({ [name]: value, count }) => (value === null ? [] : [{ value, count }]))
  return {
    kinds: facet('kind') as TimelineFacets['kinds'],
    roles: facet('role'),
    tools: facet('tool'),
  }
}

interface Count {
  readonly count: number
}

/**
 * Selects the visible events of one session that pass a filter. `text` matches parts of words, which
 * the word index of `searchEvents` can't find; a trigram index would make every insert slower. The scan
 * is bounded by the session: its events are read by their index.
 */
function visibleEvents<P extends Principal>(
  { policy }: OutlineContext<P>,
  principal: P,
  sessionId: string,
  filter: z.output<typeof timelineFilterSchema> & { readonly conversation?: boolean | undefined },
): RawBuilder<unknown> {
  const { kinds, roles, tools, from, until, text, folded, agents, conversation } = filter
  const pattern = text && containsPattern(text)
  const conditions = [
    sql`event.tenant_id = ${principal.tenantId}`,
    sql`event.session_id = ${sessionId}`,
    sql`(${policy.see(principal)})`,
    ...(kinds ? [sql`event.kind = ANY (${kinds}::text[])`] : []),
    ...(roles ? [sql`event.role = ANY (${roles}::text[])`] : []),
    ...(tools ? [sql`event.tool_name = ANY (${tools}::text[])`] : []),
    ...(from ? [sql`event.occurred_at >= ${from.toISOString()}::timestamptz`] : []),
    ...(until ? [sql`event.occurred_at < ${until.toISOString()}::timestamptz`] : []),
    ...(folded === false ? [sql`event.fold IS NULL`] : []),
    ...(agents === false ? [sql`event.data ->> 'sidechain' IS DISTINCT FROM 'true'`] : []),
    ...(conversation ? [HAS_ROW] : []),
    ...(pattern ? [sql`(event.title ILIKE ${pattern} OR event.text ILIKE ${pattern})`] : []),
  ]
  return sql`
    FROM timeline_events AS event
    JOIN sessions AS session
      ON session.tenant_id = event.tenant_id AND session.id = event.session_id
    WHERE ${sql.join(conditions, sql` AND `)}`
}

/** The twin of the rows of `buildConversation`. */
const HAS_ROW = sql`event.fold IS NULL AND event.data ->> 'sidechain' IS DISTINCT FROM 'true' AND (
  (event.kind = 'message' AND event.role IS DISTINCT FROM 'system')
  OR event.kind IN ('reasoning', 'tool_call')
  OR (event.kind IN ('tool_result', 'file_change') AND event.parent_id IS NULL)
  OR (event.kind = 'system'
    AND (event.data ->> 'isError' = 'true' OR lower(event.title) = ANY (${[...NOTICE_TITLES]}::text[]))))`

async function run<Row>(
  { pool, preparer }: Pick<OutlineContext<Principal>, 'pool' | 'preparer'>,
  statement: RawBuilder<unknown>,
): Promise<Row[]> {
  const { rows } = await pool
    .query(preparer.prepare(statement))
    .catch((error: unknown) => Promise.reject(fromDatabaseError(error)))
  return rows as Row[]
}
