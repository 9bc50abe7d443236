import type { LiveAnswer } from './live-answer.ts'

const KEPT_MS = 10_000
const KEPT_BYTES = 2 * 1024 * 1024

/** Answers that a stream may ask for a moment after they have come. */
export interface RecentAnswers {
  get(place: string): LiveAnswer | undefined
  add(place: string, answer: LiveAnswer): void
}

/**
 * Creates a memory of the last answers, by the place in the log they continue: for ten seconds and
 * two megabytes. What was answered there once is still the right answer there: a log only grows.
 */
export function createRecentAnswers(now: () => number = Date.now): RecentAnswers {
  const kept = new Map<string, { readonly answer: LiveAnswer; readonly at: number }>()
  let bytes = 0

  const drop = (place: string) => {
    bytes -= kept.get(place)?.answer.body.byteLength ?? 0
    kept.delete(place)
  }
  const dropOld = () => {
    for (const [place, { at }] of kept) {
      if (bytes <= KEPT_BYTES && now() - at <= KEPT_MS) return
      drop(place)
    }
  }
  return {
    get(place) {
      dropOld()
      return kept.get(place)?.answer
    },
    add(place, answer) {
      drop(place)
      kept.set(place, { answer, at: now() })
      bytes += answer.body.byteLength
      dropOld()
    },
  }
}
