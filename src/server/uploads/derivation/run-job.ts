import { LogError } from '../../../timeline/content.ts'
import { inCopyTransaction } from '../../connections.ts'
import { failUpload } from '../receive-content.ts'
import type { UploadContext } from '../upload-state.ts'
import { deriveSession } from './derive-session.ts'
import {
  type DerivationJob,
  finishJob,
  type JobProgress,
  LeaseLostError,
  postponeJob,
  renewLease,
} from './jobs.ts'
import { sealContent } from './seal-content.ts'
import { recordDerivation, uniteWithEarlier } from './unite.ts'

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
 *
 * @returns the session that has the content: another one when the log has grown
 */
export async function runJob(
  context: UploadContext,
  job: DerivationJob,
  options: RunJobOptions,
): Promise<string> {
  if (job.attempts > MAX_ATTEMPTS) {
    await failUpload(context, job.tenantId, job.sessionId, GAVE_UP)
    return job.sessionId
  }
  const heartbeat = startHeartbeat(context, job, options)
  try {
    await sealContent(context, job, options.sha256)
    return await inCopyTransaction(context.pool, async (client) => {
      // A machine that disappears without closing its connection must not keep its locks.
      await client.query("SET LOCAL idle_in_transaction_session_timeout = '60s'")
      const onProgress = (progress: JobProgress) => {
        heartbeat.progress = progress
        if (heartbeat.lost) throw new LeaseLostError()
      }
      const target = await uniteWithEarlier(client, context, job)
      if (target.isCurrent) return target.sessionId
      const { sessionId } = target
      const place = { ...job, sessionId }
      const derivedBy = await deriveSession(client, context.contents, place, onProgress, {
        maxBytes: context.limits.maxBytes,
        parsers: context.parsers,
      })
      if (sessionId === job.sessionId) await finishJob(client, job, derivedBy)
      else await recordDerivation(client, place, derivedBy)
      return sessionId
    })
  } catch (error) {
    if (error instanceof LeaseLostError) return job.sessionId
    if (error instanceof LogError) {
      await failUpload(context, job.tenantId, job.sessionId, error.message)
      return job.sessionId
    }
    context.onError(error)
    if (job.attempts >= MAX_ATTEMPTS) {
      await failUpload(context, job.tenantId, job.sessionId, GAVE_UP)
    } else {
      await postponeJob(context.pool, job, FIRST_DELAY_MS * 4 ** (job.attempts - 1))
    }
    return job.sessionId
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
