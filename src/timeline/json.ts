import type { EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'

/** Returns true for a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Maximum objects on one line; the rest of the line counts as broken. */
const MOST_PARTS = 1_000

/** A part of a JSON Lines line: a value, or text that is not JSON. */
export type JsonLinePart = { readonly value: unknown } | { readonly broken: string }

/**
 * Parses a line of JSON Lines. Several objects on one line, which agents write when they append to a
 * file without final newline, are separated.
 *
 * @example
 * readJsonLine('{"a":1}{"b":2}') // [{ value: { a: 1 } }, { value: { b: 2 } }]
 */
export function readJsonLine(text: string): JsonLinePart[] {
  const value = parsed(text)
  return value === undefined ? gluedParts(text) : [{ value }]
}

/** Creates the event for a line, or a part of one, that is not JSON. */
export function brokenLineDraft(line: LogLine, text: string): EventDraft {
  const title = line.truncated ? 'line too long' : 'not JSON'
  return { kind: 'other', title, text, unparseable: true }
}

/** Creates the event for JSON that the parser doesn't recognise. */
export function unknownLineDraft(value: unknown): EventDraft {
  return { kind: 'other', title: 'unknown line', data: { value } }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Splits where one object ends and the next starts; the part that isn't JSON stays in one piece. */
function gluedParts(text: string): JsonLinePart[] {
  const parts: JsonLinePart[] = []
  let start = 0
  for (const end of objectEnds(text)) {
    const value = parsed(text.slice(start, end))
    if (value === undefined || parts.length === MOST_PARTS) break
    parts.push({ value })
    start = end
  }
  const rest = text.slice(start)
  return rest.trim() === '' ? parts : [...parts, { broken: rest }]
}

/** Yields the ends of the objects on a line. */
function* objectEnds(text: string): Generator<number> {
  const structure = /["{}]/g
  let depth = 0
  for (let found = structure.exec(text); found; found = structure.exec(text)) {
    if (found[0] === '"') {
      structure.lastIndex = stringEnd(text, structure.lastIndex)
      if (structure.lastIndex === 0) return
    } else {
      depth += found[0] === '{' ? 1 : -1
      if (depth < 0) return
      if (depth === 0) yield structure.lastIndex
    }
  }
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
