import type { JsonObject, JsonValue } from '../schema/fields.ts'
import type { PartEdit } from '../schema/streamed-message.ts'
import { omission, shortened } from './shorten-output.ts'

/** A delta as an `append` mutation carries it. */
export interface OutgoingDelta {
  readonly delta: string
  readonly part?: PartEdit
}

/** Deltas that wait for the next flush. Neighbours are joined where possible. */
export interface DeltaBuffer {
  readonly isEmpty: boolean
  readonly count: number
  /** The text and JSON that wait, in UTF-16 units. */
  readonly length: number
  add(delta: OutgoingDelta): void
  /** Removes and returns the oldest deltas: at most `limit`, and as many as one append may hold. */
  take(limit: number): OutgoingDelta[]
}

/** The largest edit that is stored, in UTF-8 bytes of its JSON: half of the default limit of one mutation. */
const MAX_EDIT_BYTES = 512 * 1024
/** The largest output of a tool that is stored whole, in UTF-8 bytes of its JSON. */
export const MAX_OUTPUT_BYTES = MAX_EDIT_BYTES / 2
/** The most that one append sends, in UTF-16 units. A unit takes at most three bytes. */
const MAX_APPEND_LENGTH = 128 * 1024

/** Creates an empty buffer. */
export function createDeltaBuffer(): DeltaBuffer {
  const waiting: { readonly delta: OutgoingDelta; readonly length: number }[] = []
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
      const last = waiting.at(-1)
      const joined = last === undefined ? undefined : join(last.delta, delta)
      if (last !== undefined && joined !== undefined) {
        waiting.pop()
        length -= last.length
      }
      const added = joined ?? delta
      const size = lengthOf(added)
      waiting.push({ delta: added, length: size })
      length += size
    },
    take(limit) {
      let [count, taken] = [0, 0]
      for (const { length: next } of waiting.slice(0, limit)) {
        if (count > 0 && taken + next > MAX_APPEND_LENGTH) break
        count += 1
        taken += next
      }
      length -= taken
      return waiting.splice(0, count).map(({ delta }) => delta)
    },
  }
}

function lengthOf({ delta, part }: OutgoingDelta): number {
  const isText = part === undefined || part === null || !(part.set || part.merge)
  return delta.length + (isText ? 0 : JSON.stringify(part).length)
}

/** Joins two deltas of the same text or part; undefined if they can't be one delta. */
function join(last: OutgoingDelta, next: OutgoingDelta): OutgoingDelta | undefined {
  const [one, other] = [last.part, next.part]
  if (last.delta.length + next.delta.length > MAX_APPEND_LENGTH) return undefined
  if (!one && !other) return { delta: last.delta + next.delta }
  if (!one || !other || one.at !== other.at) return undefined
  if (other.set) return next
  const part: PartEdit = {
    at: one.at,
    ...(one.set && { set: one.set }),
    ...((one.merge || other.merge) && { merge: { ...one.merge, ...other.merge } }),
  }
  return { delta: last.delta + next.delta, part }
}

/**
 * Splits deltas that were refused as too large. A single text is halved, and a single edit is replaced by a note.
 *
 * @returns undefined if they can't be made smaller
 */
export function halves(deltas: readonly OutgoingDelta[]): OutgoingDelta[][] | undefined {
  const [only] = deltas
  if (only === undefined) return undefined
  if (deltas.length > 1) {
    const middle = deltas.length >> 1
    return [deltas.slice(0, middle), deltas.slice(middle)]
  }
  const { delta, part } = only
  const isEdit = part?.set !== undefined || part?.merge !== undefined
  if (delta.length > 1) {
    const code = delta.charCodeAt((delta.length >> 1) - 1)
    const middle = (delta.length >> 1) + (code >= 0xd800 && code <= 0xdbff ? 1 : 0)
    if (isEdit) return [[{ delta: '', part }], [{ delta, part: { at: part.at } }]]
    const rest = part ? { part } : {}
    return [[{ delta: delta.slice(0, middle), ...rest }], [{ delta: delta.slice(middle), ...rest }]]
  }
  if (!isEdit) return undefined
  const note = noteOf(part)
  return bytesOf(note) < bytesOf(part) ? [[{ delta, part: note }]] : undefined
}

/** Returns the edit, or a smaller one that says what was omitted if it is too large to store. */
export function withinLimits(edit: PartEdit): PartEdit {
  const { at, set, merge } = edit
  const bytes = bytesOf(edit)
  if (set !== undefined && bytes > MAX_OUTPUT_BYTES && 'output' in set) {
    const smaller = { at, set: withSmallerOutput(set) }
    return bytesOf(smaller) <= MAX_EDIT_BYTES ? smaller : noteOf(edit)
  }
  if (bytes <= MAX_EDIT_BYTES) return edit
  if (set !== undefined) return noteOf(edit)
  const kept = Object.entries(merge ?? {}).filter(([, value]) => bytesOf(value) <= MAX_OUTPUT_BYTES)
  return { at, merge: Object.fromEntries(kept) }
}

function withSmallerOutput(call: JsonObject): JsonObject {
  const { output = null, input = null } = call
  const wholeBytes = bytesOf(output)
  const smaller: JsonObject = {
    ...call,
    ...(wholeBytes > MAX_OUTPUT_BYTES && {
      output: shortened(output),
      resultProviderMetadata: omission(call, { wholeBytes }),
    }),
  }
  if (bytesOf(smaller) <= MAX_EDIT_BYTES) return smaller
  // The tool has run, so nothing depends on its input any more.
  const { rawInput: _, ...rest } = smaller
  return { ...rest, input: shortened(input) }
}

function bytesOf(value: PartEdit | JsonValue): number {
  const json = JSON.stringify(value)
  return json.length * 3 <= MAX_OUTPUT_BYTES ? json.length : new TextEncoder().encode(json).length
}

/** An edit that puts a note in place of a part, or leaves properties out. */
function noteOf(edit: PartEdit): PartEdit {
  const { at, set } = edit
  if (set === undefined) return { at }
  const { type, toolCallId, toolName } = set
  const reason = `This part of ${bytesOf(edit)} bytes was too large to store.`
  if (typeof toolCallId !== 'string') {
    return { at, set: { type: 'data-omitted', data: { type: type ?? null, reason } } }
  }
  const call: JsonObject = {
    type: type ?? null,
    toolCallId,
    ...(toolName !== undefined && { toolName }),
  }
  return { at, set: { ...call, state: 'output-error', input: {}, errorText: reason } }
}
