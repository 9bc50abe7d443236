import type { MutationInput } from '../../writes/batch.ts'

/** Sends writes that concern the same rows one after the other, in the order they were made. */
export interface WriteOrder {
  /** Calls `send` once every earlier write that concerns one of these mutations' rows is answered. */
  run<Result>(mutations: readonly MutationInput[], send: () => Promise<Result>): Promise<Result>
}

/**
 * Creates the order of one client's writes. Requests can overtake each other: without an order, the
 * first of two renames could win, two messages swap places, or a message arrive before its new
 * thread. Unrelated writes don't wait, and the first write to a row is sent immediately.
 */
export function createWriteOrder(): WriteOrder {
  const lastOf = new Map<string, Promise<unknown>>()
  return {
    run(mutations, send) {
      const keys = [...new Set(mutations.flatMap(concernedRows))]
      const earlier = keys.flatMap((key) => lastOf.get(key) ?? [])
      const answer = earlier.length === 0 ? send() : Promise.all(earlier).then(send)
      const answered = answer.then(done, done)
      for (const key of keys) lastOf.set(key, answered)

      function done(): void {
        for (const key of keys) if (lastOf.get(key) === answered) lastOf.delete(key)
      }
      return answer
    },
  }
}

/** Returns the row a mutation changes, and for a new row also its parent. */
function concernedRows(mutation: MutationInput): string[] {
  const { collection } = mutation
  if (mutation.type !== 'insert') return [`${collection}/${mutation.id}`]
  const own = `${collection}/${mutation.value.id}`
  if ('threadId' in mutation.value) return [own, `chatThreads/${mutation.value.threadId}`]
  if ('sessionId' in mutation.value) return [own, `sessions/${mutation.value.sessionId}`]
  return [own]
}
