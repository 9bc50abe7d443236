import type { JsonObject } from '../schema/fields.ts'

/** A delta as an `append` mutation carries it. */
export interface OutgoingDelta {
  readonly delta: string
  readonly part?: JsonObject
}

/** Deltas that wait to be sent, as few as they can be. */
export interface DeltaBuffer {
  readonly isEmpty: boolean
  readonly count: number
  /** UTF-16 units of text that wait. */
  readonly length: number
  add(delta: OutgoingDelta): void
  /** Takes out up to so many, oldest first. */
  take(limit: number): OutgoingDelta[]
}

/** Creates an empty buffer. Texts that follow each other become one; so do states of one tool call. */
export function createDeltaBuffer(): DeltaBuffer {
  let waiting: OutgoingDelta[] = []
  let length = 0
  return {
    get isEmpty() {
      return waiting.length === 0
    },
    get count() {
      return waiting.length
    },
    get length() {
      return length
    },
    add(delta) {
      length += delta.delta.length
      const last = waiting.at(-1)
      const joined = last === undefined ? undefined : join(last, delta)
      if (joined === undefined) waiting.push(delta)
      else waiting[waiting.length - 1] = joined
    },
    take(limit) {
      const taken = waiting.slice(0, limit)
      waiting = waiting.slice(limit)
      length = waiting.reduce((sum, { delta }) => sum + delta.length, 0)
      return taken
    },
  }
}

function join(last: OutgoingDelta, next: OutgoingDelta): OutgoingDelta | undefined {
  const [one, other] = [last.part, next.part]
  if (one === undefined && other === undefined) return { delta: last.delta + next.delta }
  if (one === undefined || other === undefined) return undefined
  if (last.delta !== '' && next.delta !== '') {
    return one.type === other.type ? { part: one, delta: last.delta + next.delta } : undefined
  }
  const isSameCall = typeof other.toolCallId === 'string' && one.toolCallId === other.toolCallId
  return last.delta === '' && next.delta === '' && isSameCall ? next : undefined
}
