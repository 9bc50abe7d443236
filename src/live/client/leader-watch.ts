/** How long a leader may be silent, in ms. */
export interface LeaderTimes {
  /** How often a tab that waits for the leader looks after it. */
  readonly lookMs: number
  /** A leader that was silent for so long is asked whether it is there. */
  readonly askMs: number
  /** One that has not answered after so long is replaced. */
  readonly replaceMs: number
}

/** What a tab knows of the tab that polls for it. */
export interface LeaderWatch {
  /** It has just said something, or is new. */
  heard(): void
  /**
   * Called every `lookMs`: says what to do about the leader.
   *
   * @param needed whether this tab waits for it
   */
  look(needed: boolean): 'nothing' | 'ask' | 'replace'
}

/** Creates the watch over a leader that is there now. */
export function createLeaderWatch({ lookMs, askMs, replaceMs }: LeaderTimes): LeaderWatch {
  let heardAt = Date.now()
  let lookedAt = heardAt

  return {
    heard() {
      heardAt = Date.now()
    },
    look(needed) {
      const now = Date.now()
      const slept = now - lookedAt > lookMs + askMs
      lookedAt = now
      if (!needed) {
        heardAt = now
        return 'nothing'
      }
      // After a sleep of this tab its clock says nothing about the leader.
      if (slept) heardAt = now - askMs
      const silent = now - heardAt
      if (silent < askMs) return 'nothing'
      if (silent < replaceMs) return 'ask'
      heardAt = now
      return 'replace'
    },
  }
}
