import { vi } from 'vitest'

/** Longer than a busy machine needs, shorter than a test's timeout. */
const patienceMs = 30_000

/**
 * Waits up to 30 s until a check passes and returns its value; fails with its last error. The default
 * of `vi.waitFor`, one second, is too short for two slow cores under load.
 *
 * @param interval milliseconds between two checks; use a short one in tests with many waits
 */
export function eventually<T>(check: () => T | Promise<T>, interval = 50): Promise<T> {
  return vi.waitFor(check, { timeout: patienceMs, interval })
}
