import type { ClientBase, Pool } from 'pg'

/** One session's content, to be made a timeline of by whoever holds the lease. */
export interface DerivationJob {
  readonly tenantId: string
  readonly sessionId: string
  readonly lease: string
  /** How often it was begun, this time included. */
  readonly attempts: number
}

/** Another process has taken the job over, or it was given up: nothing may be written for it. */
export class LeaseLostError extends Error {
  constructor() {
    super('Another process has taken this job over')
  }
}

interface JobRow {
  readonly tenant_id: string
  readonly session_id: string
  readonly attempts: number
}

/**
 * Takes a job that is due: a new one, one that failed a while ago, or one whose holder has not been
 * heard of for as long as its lease. The attempt is counted before it begins, so that a content that
 * ends its process cannot do so for ever.
 *
 * @param which one session's job; any unless given.
 */
export async function claimJob(
  pool: Pool,
  lease: string,
  leaseMs: number,
  which?: { readonly tenantId: string; readonly sessionId: string },
): Promise<DerivationJob | undefined> {
  const { rows } = await pool.query<JobRow>(
    `WITH due AS (
       SELECT tenant_id, session_id FROM session_uploads
       WHERE state = 'queued' AND due_at <= now()
         AND ($3::text IS NULL OR tenant_id = $3 AND session_id = $4)
       ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
     )
     UPDATE session_uploads job
     SET lease = $1, attempts = job.attempts + 1, updated_at = now(),
       due_at = now() + $2 * interval '1 millisecond'
     FROM due WHERE job.tenant_id = due.tenant_id AND job.session_id = due.session_id
     RETURNING job.tenant_id, job.session_id, job.attempts`,
    [lease, leaseMs, which?.tenantId ?? null, which?.sessionId ?? null],
  )
  const row = rows[0]
  return (
    row && { tenantId: row.tenant_id, sessionId: row.session_id, lease, attempts: row.attempts }
  )
}

/** How far a job is: bytes of its content that were read, events that were made of them. */
export interface JobProgress {
  readonly doneBytes: number
  readonly totalBytes: number
  readonly events: number
}

/**
 * Renews the lease and shows progress in the session's row; false when the lease is another's. The
 * session's row comes first, as everywhere: the derivation's own transaction locks in that order, too,
 * and would otherwise wait for its own heartbeat in a deadlock.
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
 * Ends a job in the transaction that writes its result.
 *
 * @throws LeaseLostError when the lease is another's by now.
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

/** Gives a job back, to be tried again after `delayMs`. */
export async function postponeJob(pool: Pool, job: DerivationJob, delayMs: number): Promise<void> {
  await pool.query(
    `UPDATE session_uploads
     SET lease = NULL, due_at = now() + $4 * interval '1 millisecond', updated_at = now()
     WHERE tenant_id = $1 AND session_id = $2 AND lease = $3 AND state = 'queued'`,
    [job.tenantId, job.sessionId, job.lease, delayMs],
  )
}
