import type { EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'

export type JsonRecord = Readonly<Record<string, unknown>>

/** Returns true for a JSON object. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the elements of an array, none for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Returns the first string that contains more than blanks. */
export function firstText(...values: readonly unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && /\S/.test(value))
}

/** Parses JSON; returns undefined for anything else. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Maximum objects on one line; the rest of the line counts as broken. */
const MOST_PARTS = 1_000
/** Deepest nesting that is parsed: deeper values are slow to parse and nothing a log needs. */
const MAX_DEPTH = 2_000
/** Shorter lines can't nest deep enough to be slow. */
const SUSPICIOUS_LENGTH = 20_000
const isSuspicious = (text: string) => text.length > SUSPICIOUS_LENGTH
/** Characters searched for a whole record after a cut one, relative to the line's length and at most. */
const RECOVERY = { factor: 4, least: 1_000_000, leastFactor: 64 }

/** A part of a JSON Lines line: a value, or text that is not JSON. */
export type JsonLinePart = { readonly value: unknown } | { readonly broken: string }

/**
 * Parses a line of JSON Lines. Several objects on one line, which agents write when they append to a
 * file without final newline, are separated; so is a whole object after one that was cut off.
 *
 * @example
 * readJsonLine('{"a":1}{"b":2}') // [{ value: { a: 1 } }, { value: { b: 2 } }]
 */
export function readJsonLine(text: string): JsonLinePart[] {
  // The first character rules most other text out, without the cost of an exception.
  if (!/^\s*[[{"\-\dtfn]/.test(text)) return recordAtEnd(text)
  if (isSuspicious(text) && isTooDeep(text)) return [{ broken: text }]
  const value = parseJson(text)
  return value === undefined ? gluedParts(text) : [{ value }]
}

/** Creates the event for a line, or a part of one, that is not JSON. */
export function brokenLineDraft(line: LogLine, text: string): EventDraft {
  const title = line.truncated
    ? 'line too long'
    : isSuspicious(text) && isTooDeep(text.slice(0, SUSPICIOUS_LENGTH))
      ? 'nested too deep'
      : 'not JSON'
  return { kind: 'other', title, text, unparseable: true }
}

/** Creates the event for JSON that the parser doesn't recognise. */
export function unknownLineDraft(value: unknown): EventDraft {
  const time = isRecord(value) ? value.timestamp : undefined
  return { kind: 'other', title: 'unknown line', time, data: { value } }
}

/** Returns true for nesting beyond `MAX_DEPTH`. Reads characters one by one, which is faster than any pattern. */
function isTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      at = stringEnd(text, at + 1) - 1
      if (at < 0) return false
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > MAX_DEPTH) return true
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return false
}

/** Splits where one object ends and the next starts; parts that aren't JSON stay as they are. */
function gluedParts(text: string): JsonLinePart[] {
  const parts: JsonLinePart[] = []
  // Records of one log mostly start alike, so a whole record after a cut one starts like the line.
  const opening = /^\s*(\{\s*"[^"\\]{1,40}"\s*:)/.exec(text)?.[1]
  let budget = RECOVERY.factor * text.length
  let brokenFrom = 0
  let start = 0
  while (start < text.length && parts.length < MOST_PARTS) {
    const end = objectEnd(text, start)
    const value = end === 0 ? undefined : parseJson(text.slice(start, end))
    budget -= (end || text.length) - start
    if (value !== undefined) {
      const broken = text.slice(brokenFrom, start)
      if (broken.trim() !== '') parts.push({ broken })
      parts.push({ value })
      start = end
      brokenFrom = end
      continue
    }
    const next = opening === undefined || budget < 0 ? -1 : text.indexOf(opening, start + 1)
    if (next < 0) break
    start = next
  }
  const rest = text.slice(brokenFrom)
  if (rest.trim() === '' && parts.length > 0) return parts
  return [...parts, ...(parts.length < MOST_PARTS ? recordAtEnd(rest) : [{ broken: rest }])]
}

/** Finds a whole record at the end of a text that starts with something else: a cut record, a warning. */
function recordAtEnd(text: string): JsonLinePart[] {
  if (!/\}\s*$/.test(text.slice(-100))) return [{ broken: text }]
  let budget = Math.min(RECOVERY.leastFactor * text.length, RECOVERY.least)
  for (let at = text.indexOf('{"', 1); at >= 0 && budget > 0; at = text.indexOf('{"', at + 1)) {
    const end = objectEnd(text, at)
    budget -= (end || text.length) - at
    if (end === 0 || text.slice(end).trim() !== '') continue
    const value = parseJson(text.slice(at, end))
    if (value !== undefined) return [{ broken: text.slice(0, at) }, { value }]
  }
  return [{ broken: text }]
}

/** Returns the end of the object that starts here, 0 if there is none. */
function objectEnd(text: string, start: number): number {
  const structure = /["{}]/g
  structure.lastIndex = start
  let depth = 0
  for (let found = structure.exec(text); found; found = structure.exec(text)) {
    if (found[0] === '"') {
      structure.lastIndex = stringEnd(text, structure.lastIndex)
      if (structure.lastIndex === 0) return 0
    } else {
      depth += found[0] === '{' ? 1 : -1
      if (depth < 0) return 0
      if (depth === 0) return structure.lastIndex
    }
  }
  return 0
}

/** Returns the end of the string that starts here, 0 if it is unterminated. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text[end - 1 - backslashes] === '\\') backslashes += 1
    if (backslashes % 2 === 0) return end + 1
  }
  return 0
}
