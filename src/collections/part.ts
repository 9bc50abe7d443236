import { SessionDbError } from '../errors.ts'
import { pause } from './pause.ts'

/**
 * A part of the library that a browser fetches by itself: not needed for what a page shows first, or
 * not by every app.
 */
export interface Part<Exports> {
  /** The part, once it is there. */
  now(): Exports | undefined
  /**
   * Fetches the part, unless it is there or on its way. What has failed is tried anew by the next call.
   *
   * @throws SessionDbError `unavailable` when the browser does not get it
   */
  load(): Promise<Exports>
}

/** Pauses before a part is asked for once more, in ms; shorter when the browser is online again. */
const PAUSES_MS = [500, 2_000]

/**
 * Describes a part.
 *
 * @param name what it is, for people: the subject of "could not be loaded"
 * @param fetchPart imports it; a literal `import()`, for bundlers to see
 */
export function createPart<Exports>(
  name: string,
  fetchPart: () => Promise<Exports>,
): Part<Exports> {
  let there: Exports | undefined
  let coming: Promise<Exports> | undefined

  async function load(): Promise<Exports> {
    try {
      there = await fetchPart()
      return there
    } catch (cause) {
      throw new SessionDbError(
        'unavailable',
        `${name} could not be loaded. Try again when the network is back; after a deployment reload the page.`,
        { cause },
      )
    } finally {
      coming = undefined
    }
  }

  return {
    now: () => there,
    load() {
      if (there !== undefined) return Promise.resolve(there)
      coming ??= load()
      return coming
    },
  }
}

/** Fetches a part ahead of its use, so that it is there when the network goes or the app is deployed. */
export function prefetch(part: Part<unknown>): void {
  // Whoever needs it tries again, and says so.
  part.load().catch(() => undefined)
}

/**
 * Loads a part that something waits for, in three attempts.
 *
 * @throws SessionDbError `unavailable` when all fail
 */
export async function loadPatiently<Exports>(part: Part<Exports>): Promise<Exports> {
  for (const ms of PAUSES_MS) {
    try {
      return await part.load()
    } catch {
      await pause(ms, undefined)
    }
  }
  return part.load()
}
