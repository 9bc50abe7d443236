import { SessionDbError } from '../../errors.ts'
import { isTransient } from '../../writes/errors.ts'
import { pause } from '../sync/pause.ts'

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 15_000
/** With the delays above, about four minutes without any connection. */
const MAX_FAILURES = 20

/**
 * Makes a way to do things over a connection that may break: what fails with `unavailable` or
 * `rate_limited` is done again after a while, up to twenty times in a row.
 *
 * @param onRetry called before each wait.
 */
export function resilient(
  signal: AbortSignal,
  onRetry: () => void,
): <Result>(work: () => Promise<Result>) => Promise<Result> {
  return async (work) => {
    for (let failures = 0; ; ) {
      if (signal.aborted) throw abortedError()
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) throw abortedError()
        failures += 1
        if (failures >= MAX_FAILURES || !isTransient(error)) throw error
        onRetry()
        const longest = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), LONGEST_DELAY_MS)
        await pause(Math.random() * longest, signal)
      }
    }
  }
}

function abortedError(): SessionDbError {
  return new SessionDbError('conflict', 'The upload was aborted.')
}
