import type { EventDraft } from './derived-event.ts'

/** Calls that are remembered; of more, those that were made first are forgotten. */
const REMEMBERED_CALLS = 20_000

/** Tells which call a result answers, in logs of any length. */
export interface CallLinks {
  /**
   * Takes an event into account.
   *
   * @returns the place of the call that it answers or belongs to.
   */
  link(draft: EventDraft, seq: number): number | null
  readonly calls: number
  readonly results: number
  /** Results whose call came before them. */
  readonly pairedResults: number
}

/** Begins to pair the calls and results of one log. */
export function createCallLinks(): CallLinks {
  const places = new Map<string, number>()
  const counts = { calls: 0, results: 0, pairedResults: 0 }
  const remember = (callId: string, seq: number) => {
    places.delete(callId)
    places.set(callId, seq)
    if (places.size <= REMEMBERED_CALLS) return
    for (const oldest of places.keys()) {
      places.delete(oldest)
      break
    }
  }
  const placeOf = (id: unknown) => (typeof id === 'string' ? (places.get(id) ?? null) : null)
  return {
    link({ kind, callId, parentCallId }, seq) {
      if (kind === 'tool_call') {
        counts.calls += 1
        if (typeof callId === 'string') remember(callId, seq)
        return placeOf(parentCallId)
      }
      const call = placeOf(callId)
      if (kind === 'tool_result') {
        counts.results += 1
        if (call !== null) counts.pairedResults += 1
      }
      return call ?? placeOf(parentCallId)
    },
    get calls() {
      return counts.calls
    },
    get results() {
      return counts.results
    },
    get pairedResults() {
      return counts.pairedResults
    },
  }
}
