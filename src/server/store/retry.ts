import { setTimeout as delay } from 'node:timers/promises'
import { isWorthRetrying } from './database-errors.ts'

const MAX_ATTEMPTS = 10
const FIRST_DELAY_MS = 5
const MAX_DELAY_MS = 640

/** Runs `work` again, up to nine times, after a failure that the next attempt may not have. */
export async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isWorthRetrying(error, attempt)) throw error
      // Full jitter: those who collided should not meet again.
      await delay(Math.random() * Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS))
    }
  }
}
