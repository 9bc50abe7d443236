import { SessionDbError } from '../../errors.ts'
import { parseDuration } from './duration.ts'
import { type RetentionOptions, type RetentionResult, runRetention } from './run-retention.ts'

export interface RetentionScheduleOptions extends Omit<RetentionOptions, 'signal' | 'dryRun'> {
  /** How often; `24h` unless given. */
  readonly every?: string | undefined
  readonly onResult?: ((result: RetentionResult) => void) | undefined
  readonly onError?: ((error: unknown) => void) | undefined
}

/**
 * Runs retention again and again in this process, for the first time after one interval. Every
 * instance of an app may: one at a time works, the others leave it to that one.
 *
 * @returns what ends it, once what runs now has come to its next stop.
 * @throws SessionDbError `invalid` for a policy or an interval that is none.
 * @example
 * const stop = scheduleRetention({ database: pool, policy: { default: '90d' } })
 * await stop()
 */
export function scheduleRetention(options: RetentionScheduleOptions): () => Promise<void> {
  const { every = '24h', onResult, onError, ...rest } = options
  const everyMs = Math.min(parseDuration(every), 2 ** 31 - 1)
  const ending = new AbortController()
  let running: Promise<void> | undefined
  const run = async () => {
    try {
      onResult?.(await runRetention({ ...rest, signal: ending.signal }))
    } catch (error) {
      const elsewhere = error instanceof SessionDbError && error.code === 'conflict'
      if (!elsewhere) onError?.(error)
    }
  }
  const timer = setInterval(() => {
    running ??= run().finally(() => {
      running = undefined
    })
  }, everyMs)
  // It must not keep a process alive that is otherwise done.
  timer.unref()
  return async () => {
    clearInterval(timer)
    ending.abort()
    await running
  }
}
