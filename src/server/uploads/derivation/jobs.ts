import type { ClientBase, Pool } from 'pg'
import { LogError } from '../../../timeline/content.ts'
import { inCopyTransaction } from '../../connections.ts'
import { failUpload } from '../receive-content.ts'
import type { UploadContext } from '../upload-state.ts'
import { deriveSession } from './derive-session.ts'
import { sealContent } from './seal-content.ts'

const MAX_ATTEMPTS = 5
/** Retries after 5, 20, 80 and 320 s, so uploads survive a content store that is down for minutes. */
const FIRST_DELAY_MS = 5_000
const GAVE_UP =
  'This file could not be processed after several attempts. Upload it again or contact support.'

interface RunJobOptions {
  /** Lease duration in ms: a job whose holder sends no heartbeat for this long is taken over. */
  readonly leaseMs: number
  /** Interval of heartbeats and progress updates, in ms. */
  readonly progressMs: number
  /** The content's hash, if already known. */
  readonly sha256?: string | undefined
}

/**
 * Runs a job: stores the content under its hash and derives the timeline in one transaction that also
 * sets the session to `ready`, so a session is never ready and partial. A failure is retried later, up
 * to five attempts; then the session is failed.
 */
export async function runJob(
  context: UploadContext,
  job: DerivationJob,
  options: RunJobOptions,
): Promise<void> {
  if (job.attempts > MAX_ATTEMPTS) {
    await failUpload(context, job.tenantId, job.sessionId, GAVE_UP)
    return
  }
  const heartbeat = startHeartbeat(context, job, options)
  try {
    await sealContent(context, job, options.sha256)
    await inCopyTransaction(context.pool, async (client) => {
      // A machine that disappears without closing its connection must not keep its locks.
      await client.query("SET LOCAL idle_in_transaction_session_timeout = '60s'")
      const onProgress = (progress: JobProgress) => {
        heartbeat.progress = progress
        if (heartbeat.lost) throw new LeaseLostError()
      }
      const { maxBytes } = context.limits
      const derivedBy = await deriveSession(client, context.contents, job, onProgress, maxBytes)
      await finishJob(client, job, derivedBy)
    })
  } catch (error) {
    if (error instanceof LeaseLostError) return
    if (error instanceof LogError) {
      await failUpload(context, job.tenantId, job.sessionId, error.message)
      return
    }
    context.onError(error)
    if (job.attempts >= MAX_ATTEMPTS) {
      await failUpload(context, job.tenantId, job.sessionId, GAVE_UP)
    } else {
      await postponeJob(context.pool, job, FIRST_DELAY_MS * 4 ** (job.attempts - 1))
    }
  } finally {
    await heartbeat.stop()
  }
}

interface Heartbeat {
  progress: JobProgress | undefined
  lost: boolean
  stop(): Promise<void>
}

function startHeartbeat(
  { pool }: UploadContext,
  job: DerivationJob,
  { leaseMs, progressMs }: RunJobOptions,
): Heartbeat {
  let beating = Promise.resolve()
  let busy = false
  const beat = async () => {
    // A failed heartbeat doesn't end the job: the next one or the lease's expiry decides.
    const held = await renewLease(pool, job, leaseMs, heartbeat.progress).catch(() => true)
    if (!held) heartbeat.lost = true
    busy = false
  }
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    beating = beat()
  }, progressMs)
  timer.unref()
  const heartbeat: Heartbeat = {
    progress: undefined,
    lost: false,
    async stop() {
      clearInterval(timer)
      await beating
    },
  }
  return heartbeat
}

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
}

/**
 * Claims a job that is due: a new one, one that is due for a retry, or one whose lease has expired. The
 * attempt is counted before it starts, so a content that crashes its process is retried a limited number of times.
 *
 * @param which one session's job. Default: any.
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
async function postponeJob(pool: Pool, job: DerivationJob, delayMs: number): Promise<void> {
  await pool.query(
    `UPDATE session_uploads
     SET lease = NULL, due_at = now() + $4 * interval '1 millisecond', updated_at = now()
     WHERE tenant_id = $1 AND session_id = $2 AND lease = $3 AND state = 'queued'`,
    [job.tenantId, job.sessionId, job.lease, delayMs],
  )
}
