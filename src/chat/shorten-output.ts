import { cutText } from '../schema/cut-text.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../schema/fields.ts'

/** How much of a shortened value is kept, in UTF-16 units of its JSON. */
const KEPT_LENGTH = 16_384
/** Objects with more properties are lists by key, and are cut like lists. */
const MAX_FIELDS = 50

/**
 * Shortens a value to its readable beginning. Its shape stays: texts and lists are cut, and objects keep their
 * properties, so that a page that shows the whole value also shows this one.
 */
export function shortened(value: JsonValue): JsonValue {
  return cut(value, KEPT_LENGTH).value
}

/** Notes in a tool's part that its output was shortened, and where all of it is. */
export function omission(part: JsonObject, note: JsonObject): JsonObject {
  const { resultProviderMetadata: before } = part
  const known = isJsonObject(before) ? before : {}
  const sessionDb = isJsonObject(known.sessionDb) ? known.sessionDb : {}
  return { ...known, sessionDb: { ...note, ...sessionDb } }
}

/** Returns a tool's part without the note about its output, for another output in its place. */
export function withoutOmission(part: JsonObject): JsonObject {
  const { resultProviderMetadata: metadata, ...rest } = part
  if (!isJsonObject(metadata) || metadata.sessionDb === undefined) return part
  const { sessionDb: _, ...given } = metadata
  return { ...rest, ...(Object.keys(given).length > 0 && { resultProviderMetadata: given }) }
}

interface Cut {
  readonly value: JsonValue
  readonly length: number
}

function cut(value: JsonValue, room: number): Cut {
  if (typeof value === 'string') return cutString(value, room)
  if (isJsonObject(value)) return cutObject(value, room)
  if (Array.isArray(value)) return cutList(value as readonly JsonValue[], room)
  return { value, length: String(value).length }
}

function cutString(text: string, room: number): Cut {
  if (text.length <= room) return { value: text, length: text.length + 2 }
  return { value: `${cutText(text, room)}…`, length: room }
}

function cutList(list: readonly JsonValue[], room: number): Cut {
  const items: JsonValue[] = []
  let length = 2
  for (const item of list) {
    if (length >= room) break
    const next = cut(item, room - length)
    items.push(next.value)
    length += next.length + 1
  }
  return { value: items, length }
}

function cutObject(object: JsonObject, room: number): Cut {
  const entries = Object.entries(object)
  const kept: [string, JsonValue][] = []
  let length = 2
  for (const [index, [key, item]] of entries.entries()) {
    const isList = entries.length > MAX_FIELDS
    if (isList && length >= room) break
    const left = Math.max(0, room - length)
    const next = cut(item, isList ? left : Math.floor(left / (entries.length - index)))
    kept.push([key, next.value])
    length += next.length + key.length + 4
  }
  return { value: Object.fromEntries(kept), length }
}
