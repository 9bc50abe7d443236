import { randomUUID } from 'node:crypto'
import { inTransaction } from '../../connections.ts'
import { failUpload } from '../receive-content.ts'
import type { UploadContext } from '../upload-state.ts'
import { claimJob } from './jobs.ts'
import { runJob } from './run-job.ts'
import { forgetGarbage, lockContent } from './seal-content.ts'
import { queueRederivations } from './stale.ts'

export interface SessionWorkerOptions {
  /** Jobs processed in parallel. Default: 1. */
  readonly concurrency?: number
  /** Interval of polling for jobs, in ms. Default: 1,000. */
  readonly pollMs?: number
  /** A job is taken over when its process sends no heartbeat for this long, in ms. Default: 30,000. */
  readonly leaseMs?: number
  /** Interval of progress updates in the session's row, in ms. Default: 1,000. */
  readonly progressMs?: number
  /** Interval of sweeps for unreferenced contents, in ms. Default: 60,000. */
  readonly sweepMs?: number
  /**
   * Derives timelines again that an older version of a parser has derived, after new uploads. Default:
   * true; `session-db rederive` does the same on demand.
   */
  readonly rederive?: boolean
  /** An upload without progress for this long is failed, in ms. Default: one day. */
  readonly abandonedAfterMs?: number
}

/** Derives timelines in the background. Any number of processes may run one. */
export interface SessionWorker {
  /** Stops taking jobs and waits for running ones. */
  stop(): Promise<void>
}

const DAY_MS = 24 * 60 * 60 * 1_000

/** Starts a worker; `wake` makes it poll immediately. */
export function startWorker(
  context: UploadContext,
  options: SessionWorkerOptions = {},
): SessionWorker & { wake(): void } {
  const {
    concurrency = 1,
    pollMs = 1_000,
    leaseMs = 30_000,
    progressMs = Math.min(1_000, leaseMs / 3),
    sweepMs = 60_000,
    abandonedAfterMs = DAY_MS,
    rederive = true,
  } = options
  const stopping = new AbortController()
  const sleepers = new Set<() => void>()
  const served = new Set<string>()

  async function lane(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (!(await doNext())) await pause(pollMs)
    }
  }

  async function doNext(): Promise<boolean> {
    try {
      const job = await claimJob(context.pool, randomUUID(), leaseMs, undefined, served)
      if (job === undefined) return false
      await runJob(context, job, { leaseMs, progressMs })
      return true
    } catch (error) {
      context.onError(error)
      return false
    }
  }

  async function sweeper(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sweep(context, { abandonedAfterMs }).catch(context.onError)
      if (rederive) await queueStale().catch(context.onError)
      await pause(sweepMs)
    }
  }

  /** Queues few at a time, so that the queue stays short for `session-db rederive` and for people. */
  async function queueStale(): Promise<void> {
    const queued = await queueRederivations(context.pool, context.parsers, {}, BATCH)
    if (queued.length > 0) wake()
  }

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, milliseconds)
      sleepers.add(wake)
      if (stopping.signal.aborted) wake()
    })
  }

  const wake = () => {
    for (const sleeper of [...sleepers]) sleeper()
  }
  const running = [...Array.from({ length: concurrency }, lane), sweeper()]
  return {
    wake,
    async stop() {
      stopping.abort()
      wake()
      await Promise.all(running)
    },
  }
}

const BATCH = 100
/** Longer than any store needs to store the largest content. */
const GRACE_MS = 60 * 60 * 1_000
const ABANDONED = 'The upload was not finished in time. Upload the file again.'

interface SweepOptions {
  /**
   * Derives timelines again that an older version of a parser has derived, after new uploads. Default:
   * true; `session-db rederive` does the same on demand.
   */
  readonly rederive?: boolean
  /** An upload without progress for this long is failed, in ms. */
  readonly abandonedAfterMs: number
  /** Age of a garbage mark before the content is deleted, in ms. Default: one hour. */
  readonly graceMs?: number
}

type SweepContext = Pick<UploadContext, 'pool' | 'contents' | 'onError'>

/** Counts of a sweep. */
interface SweepResult {
  /** Unreferenced contents deleted from their stores. */
  readonly contents: number
  /** Abandoned uploads set to failed. */
  readonly uploads: number
}

/**
 * Deletes contents that interrupted uploads or deleted sessions have left in a store outside the
 * database, deletes attachments that no message refers to, and fails abandoned uploads. Safe to run concurrently in any number of processes.
 */
export async function sweep(
  context: SweepContext,
  { abandonedAfterMs, graceMs = GRACE_MS }: SweepOptions,
): Promise<SweepResult> {
  const abandoned = await context.pool.query<{ tenant_id: string; session_id: string }>(
    `SELECT tenant_id, session_id FROM session_uploads
     WHERE state = 'receiving' AND updated_at < now() - $1 * interval '1 millisecond'
     ORDER BY updated_at LIMIT $2`,
    [abandonedAfterMs, BATCH],
  )
  for (const { tenant_id, session_id } of abandoned.rows) {
    await failUpload(context, tenant_id, session_id, ABANDONED)
  }
  await context.pool.query(
    `DELETE FROM chat_attachments WHERE (tenant_id, id) IN (
       SELECT tenant_id, id FROM chat_attachments
       WHERE NOT attached AND created_at < now() - $1 * interval '1 millisecond'
       ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [abandonedAfterMs, BATCH],
  )
  const garbage = await context.pool.query<{ tenant_id: string; content_ref: string }>(
    `SELECT tenant_id, content_ref FROM session_content_garbage
     WHERE noted_at < now() - $1 * interval '1 millisecond' ORDER BY noted_at LIMIT $2`,
    [graceMs, BATCH],
  )
  let contents = 0
  for (const { tenant_id, content_ref } of garbage.rows) {
    try {
      if (await deleteUnreferenced(context, tenant_id, content_ref)) contents += 1
    } catch (error) {
      // A store that is down must not block the garbage of the others.
      context.onError(error)
    }
  }
  return { contents, uploads: abandoned.rows.length }
}

async function deleteUnreferenced(
  { pool, contents }: SweepContext,
  tenantId: string,
  ref: string,
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    await lockContent(client, tenantId, ref)
    const referring = await client.query(
      'SELECT FROM sessions WHERE tenant_id = $1 AND content_ref = $2 LIMIT 1',
      [tenantId, ref],
    )
    const isGarbage = referring.rowCount === 0
    if (isGarbage) {
      const { store, key } = contents.locate(tenantId, ref)
      await store.delete(key)
    }
    await forgetGarbage(client, tenantId, ref)
    return isGarbage
  })
}
