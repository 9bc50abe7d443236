import { randomUUID } from 'node:crypto'
import type { UploadContext } from '../upload-context.ts'
import { claimJob } from './jobs.ts'
import { runJob } from './run-job.ts'
import { sweep } from './sweep.ts'

export interface SessionWorkerOptions {
  /** Sessions that are dealt with at the same time; 1 unless given. */
  readonly concurrency?: number
  /** How often to look for work, in ms; 1,000 unless given. */
  readonly pollMs?: number
  /** How long a process may be silent before its job is another's, in ms; 30,000 unless given. */
  readonly leaseMs?: number
  /** How often progress is shown in the session's row, in ms; 1,000 unless given. */
  readonly progressMs?: number
  /** How often to look for what nobody refers to any more, in ms; 60,000 unless given. */
  readonly sweepMs?: number
  /** After how long an upload that does not go on is given up, in ms; a day unless given. */
  readonly abandonedAfterMs?: number
}

/** Makes timelines in the background. Any number of processes may run one. */
export interface SessionWorker {
  /** Takes no more work and waits for what is being done. */
  stop(): Promise<void>
}

const DAY_MS = 24 * 60 * 60 * 1_000

/** Starts looking for work; `wake` makes it look at once. */
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
  } = options
  const stopping = new AbortController()
  const sleepers = new Set<() => void>()

  async function lane(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (!(await doNext())) await pause(pollMs)
    }
  }

  async function doNext(): Promise<boolean> {
    try {
      const job = await claimJob(context.pool, randomUUID(), leaseMs)
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
      await pause(sweepMs)
    }
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
