import { inCopyTransaction } from '../../copy-client.ts'
import { failUpload } from '../receive-content.ts'
import type { UploadContext } from '../upload-context.ts'
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

const MAX_ATTEMPTS = 5
/** Tries are 5 s, 20 s, 80 s and 320 s apart: a store that is down for minutes costs nobody an upload. */
const FIRST_DELAY_MS = 5_000
const GAVE_UP =
  'No timeline could be made of this file, after several tries. Upload it again, or tell support.'

export interface RunJobOptions {
  /** How long a holder may be silent before the job is another's, in ms. */
  readonly leaseMs: number
  /** How often the lease is renewed and progress shown, in ms. */
  readonly progressMs: number
  /** The content's hash, if it is known. */
  readonly sha256?: string | undefined
}

/**
 * Does a job: stores the content under its hash, and makes the timeline in one transaction that ends
 * with the session's `ready`. So a session is never ready and partial, whenever the process ends.
 * A failure is tried again later, up to five times; then the session is failed.
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
      // A machine that is gone without a word must not hold its locks for ever.
      await client.query("SET LOCAL idle_in_transaction_session_timeout = '60s'")
      const derivedBy = await deriveSession(client, context.contents, job, (progress) => {
        heartbeat.progress = progress
        if (heartbeat.lost) throw new LeaseLostError()
      })
      await finishJob(client, job, derivedBy)
    })
  } catch (error) {
    if (error instanceof LeaseLostError) return
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
    // A failed beat is no reason to stop: the next one, or the lease's end, decides.
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
