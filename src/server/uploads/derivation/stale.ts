import type { ClientBase, Pool } from 'pg'
import type { TimelineParser } from '../../../timeline/parser.ts'

/** Raised by every change that derives other events from the same bytes, whatever the parser. */
const DERIVATION_VERSION = 7

/** Returns the text that records by which version of which parser a timeline was derived. */
export function derivedByOf({ name, version }: Pick<TimelineParser, 'name' | 'version'>): string {
  return `session-db/${DERIVATION_VERSION} ${name}/${version}`
}

/** Selects timelines to derive again. */
export interface RederiveFilter {
  /** Only this tenant. Default: all. */
  readonly tenantId?: string | undefined
  /** Only sessions of this format, for example `other` after a parser was added. */
  readonly format?: string | undefined
  /** Also timelines that the current versions derived. Default: only those of older versions. */
  readonly all?: boolean | undefined
}

// `session-db/7 codex/4`: a parser that is not configured any more is never older than itself.
const IS_STALE = `
  (substring(upload.derived_by FROM '^session-db/(\\d{1,9})')::integer < ${DERIVATION_VERSION}
    OR substring(upload.derived_by FROM '/(\\d{1,9})$')::integer
      < ($3::text::jsonb ->> substring(upload.derived_by FROM '^session-db/\\d+ (.*)/\\d+$'))::integer)`

const DUE = `
  FROM session_uploads upload
  JOIN sessions session ON session.tenant_id = upload.tenant_id AND session.id = upload.session_id
  WHERE upload.state = 'done' AND session.content_ref IS NOT NULL
    AND ($1::text IS NULL OR upload.tenant_id = $1)
    AND ($2::text IS NULL OR session.format = $2)
    AND ($4::boolean OR ${IS_STALE})`

/** Returns the parameters of `DUE`. */
function valuesOf(parsers: readonly TimelineParser[], { tenantId, format, all }: RederiveFilter) {
  const versions = Object.fromEntries(parsers.map(({ name, version }) => [name, version]))
  return [tenantId ?? null, format ?? null, JSON.stringify(versions), all ?? false]
}

/** Counts the timelines that a filter selects. */
export async function countRederivations(
  database: Pool | ClientBase,
  parsers: readonly TimelineParser[],
  filter: RederiveFilter,
): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count ${DUE}`,
    valuesOf(parsers, filter),
  )
  return rows[0]?.count ?? 0
}

/** A session by its key, in the order of the key. */
export interface SessionKey {
  readonly tenantId: string
  readonly sessionId: string
}

/**
 * Queues the next timelines that a filter selects. Their sessions stay as they are until a worker has
 * derived them. New uploads are derived first.
 *
 * @param limit most sessions to queue
 * @param after the last session that was queued before
 * @returns the queued sessions, in order; fewer than `limit` when no more are due
 */
export async function queueRederivations(
  database: Pool | ClientBase,
  parsers: readonly TimelineParser[],
  filter: RederiveFilter,
  limit: number,
  after?: SessionKey,
): Promise<readonly SessionKey[]> {
  const { rows } = await database.query<SessionKey>(
    `WITH due AS MATERIALIZED (
       SELECT upload.tenant_id, upload.session_id ${DUE}
         AND ($6::text IS NULL OR (upload.tenant_id, upload.session_id) > ($6, $7))
       ORDER BY upload.tenant_id, upload.session_id LIMIT $5 FOR UPDATE OF upload SKIP LOCKED
     ), queued AS (
       UPDATE session_uploads upload
       SET state = 'queued', attempts = 0, lease = NULL, due_at = now(), updated_at = now()
       FROM due WHERE upload.tenant_id = due.tenant_id AND upload.session_id = due.session_id
     )
     SELECT tenant_id AS "tenantId", session_id AS "sessionId" FROM due
     ORDER BY tenant_id, session_id`,
    [...valuesOf(parsers, filter), limit, after?.tenantId ?? null, after?.sessionId ?? null],
  )
  return rows
}

/** Counts the jobs that wait or run. */
export async function countQueued(
  database: Pool | ClientBase,
  tenantId: string | undefined,
): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM session_uploads
     WHERE state = 'queued' AND ($1::text IS NULL OR tenant_id = $1)`,
    [tenantId ?? null],
  )
  return rows[0]?.count ?? 0
}
