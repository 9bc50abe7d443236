import { vi } from 'vitest'

/** Longer than a busy machine needs, shorter than the time a test has. */
const patienceMs = 30_000

/**
 * Waits until a check passes, and gives what it returned; fails with what it said last.
 *
 * `vi.waitFor` waits one second unless told otherwise, which two slow cores that run everything at
 * once may need for what is done in a moment elsewhere.
 *
 * @param interval milliseconds between two checks: fewer where many waits make up a test.
 */
export function eventually<T>(check: () => T | Promise<T>, interval = 50): Promise<T> {
  return vi.waitFor(check, { timeout: patienceMs, interval })
}
