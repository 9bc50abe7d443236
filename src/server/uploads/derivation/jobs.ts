import type { ClientBase, Pool } from 'pg'

/** A session whose content is to be derived, claimed under a lease. */
export interface DerivationJob {
  readonly tenantId: string
  readonly sessionId: string
  readonly lease: string
  /** Attempts so far, including this one. */
  readonly attempts: number
}

/** Thrown when the job was taken over or cancelled: nothing may be written for it any more. */
export class LeaseLostError extends Error {
  constructor() {
    super('Another process has taken over this job.')
  }
}

interface JobRow {
  readonly tenant_id: string
  readonly session_id: string
  readonly attempts: number
  readonly uploader: string
}

/** Users whose turns a process remembers; beyond that, the longest ago are forgotten. */
const MAX_SERVED = 100

/**
 * Claims a job that is due: a new one, one that is due for a retry, or one whose lease has expired. The
 * attempt is counted before it starts, so a content that crashes its process is retried a limited number of times.
 *
 * @param which one session's job. Default: any.
 * @param served the users whose jobs this process has claimed, the last one at the end. Users take turns: one with
 * many uploads doesn't delay another's. Updated by each call. Default: the oldest job is claimed.
 */
export async function claimJob(
  pool: Pool,
  lease: string,
  leaseMs: number,
  which?: { readonly tenantId: string; readonly sessionId: string },
  served: Set<string> = new Set(),
): Promise<DerivationJob | undefined> {
  const { rows } = await pool.query<JobRow>(
    `WITH due AS (
       SELECT tenant_id, session_id, uploader FROM session_uploads
       CROSS JOIN LATERAL (SELECT jsonb_build_array(tenant_id, uploaded_by)::text) AS by (uploader)
       WHERE state = 'queued' AND due_at <= now()
         AND ($3::text IS NULL OR tenant_id = $3 AND session_id = $4)
       -- A timeline that is derived again waits for those that have none.
       ORDER BY derived_by IS NOT NULL, array_position($5::text[], uploader) NULLS FIRST, due_at
       LIMIT 1 FOR UPDATE OF session_uploads SKIP LOCKED
     )
     UPDATE session_uploads job
     SET lease = $1, attempts = job.attempts + 1, updated_at = now(),
       due_at = now() + $2 * interval '1 millisecond'
     FROM due WHERE job.tenant_id = due.tenant_id AND job.session_id = due.session_id
     RETURNING job.tenant_id, job.session_id, job.attempts, due.uploader`,
    [lease, leaseMs, which?.tenantId ?? null, which?.sessionId ?? null, [...served]],
  )
  const row = rows[0]
  if (row === undefined) return undefined
  served.delete(row.uploader)
  served.add(row.uploader)
  const [longestAgo] = served
  if (longestAgo !== undefined && served.size > MAX_SERVED) served.delete(longestAgo)
  return { tenantId: row.tenant_id, sessionId: row.session_id, lease, attempts: row.attempts }
}

/** Progress of a job: bytes read and events derived. */
export interface JobProgress {
  readonly doneBytes: number
  readonly totalBytes: number
  readonly events: number
}

/**
 * Renews the lease and writes progress to the session's row. Returns false when the lease is lost.
 * The session's row is locked first, as in the derivation's own transaction: another order could
 * deadlock the two.
 */
export async function renewLease(
  pool: Pool,
  job: DerivationJob,
  leaseMs: number,
  progress: JobProgress | undefined,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH shown AS (
       UPDATE sessions SET progress = $5::jsonb
       WHERE tenant_id = $1 AND id = $2 AND $5::jsonb IS NOT NULL AND status = 'pending'
         AND progress IS DISTINCT FROM $5::jsonb
       RETURNING id
     ), done AS (SELECT count(*) AS sessions FROM shown)
     UPDATE session_uploads SET due_at = now() + $4 * interval '1 millisecond', updated_at = now()
     FROM done
     WHERE tenant_id = $1 AND session_id = $2 AND lease = $3 AND state = 'queued'
       AND done.sessions >= 0`,
    [
      job.tenantId,
      job.sessionId,
      job.lease,
      leaseMs,
      progress === undefined ? null : JSON.stringify({ phase: 'derive', ...progress }),
    ],
  )
  return rowCount === 1
}

/**
 * Completes a job, in the transaction that writes its result.
 *
 * @throws LeaseLostError when another process holds the lease.
 */
export async function finishJob(
  client: ClientBase,
  job: DerivationJob,
  derivedBy: string,
): Promise<void> {
  const { rowCount } = await client.query(
    `UPDATE session_uploads
     SET state = 'done', derived_by = $4, lease = NULL, attempts = 0, updated_at = now()
     WHERE tenant_id = $1 AND session_id = $2 AND lease = $3 AND state = 'queued'`,
    [job.tenantId, job.sessionId, job.lease, derivedBy],
  )
  if (rowCount !== 1) throw new LeaseLostError()
}

/** Releases a job for a retry after `delayMs`. */
export async function postponeJob(pool: Pool, job: DerivationJob, delayMs: number): Promise<void> {
  await pool.query(
    `UPDATE session_uploads
     SET lease = NULL, due_at = now() + $4 * interval '1 millisecond', updated_at = now()
     WHERE tenant_id = $1 AND session_id = $2 AND lease = $3 AND state = 'queued'`,
    [job.tenantId, job.sessionId, job.lease, delayMs],
  )
}
