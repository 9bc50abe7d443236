/** The subset requests that have come and are not answered yet. */
export interface SubsetsUnderWay {
  /** Counts a request until it is answered and the client has had time to show the rows. */
  add<T>(answering: Promise<T>): Promise<T>
  /** Resolves once those under way have been answered, or have had their time; false if there were none. */
  goFirst(): Promise<boolean>
}

/** How long a page lets subsets go first. */
const patienceMs = 500

/**
 * A client that asks for a few rows, and for everything beside it, gets the few first: a large page would keep
 * it busy, and once it has everything it has no use for them. That holds across shapes, for a view joins several.
 *
 * @param lingerMs - how long an answered subset still counts: both answers may else reach the client as one.
 * @example
 * const subsets = createSubsetsUnderWay(50)
 * await subsets.add(answerSubset(request))
 */
export function createSubsetsUnderWay(lingerMs: number): SubsetsUnderWay {
  const underWay = new Set<Promise<unknown>>()
  return {
    add(answering) {
      const shown = answering.then(linger, linger).finally(() => underWay.delete(shown))
      underWay.add(shown)
      return answering
    },
    async goFirst() {
      if (underWay.size === 0) return false
      let timer: ReturnType<typeof setTimeout> | undefined
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patienceMs)
      })
      await Promise.race([Promise.allSettled(underWay), patience])
      clearTimeout(timer)
      return true
    },
  }

  function linger(): Promise<void> | undefined {
    if (lingerMs === 0) return undefined
    return new Promise((resolve) => setTimeout(resolve, lingerMs))
  }
}
