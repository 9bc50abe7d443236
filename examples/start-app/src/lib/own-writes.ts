/** How long rows count as changed by this window after a write, in ms. */
const OWN_FOR_MS = 15_000

/** Remembers which rows this window has just changed, to distinguish them from others' changes. */
export interface OwnWrites {
  note(...ids: readonly string[]): void
  has(id: string): boolean
}

export function createOwnWrites(): OwnWrites {
  const until = new Map<string, number>()
  return {
    note(...ids) {
      const now = Date.now()
      for (const [id, end] of until) if (end < now) until.delete(id)
      for (const id of ids) until.set(id, now + OWN_FOR_MS)
    },
    has: (id) => (until.get(id) ?? 0) > Date.now(),
  }
}
