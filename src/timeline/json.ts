import type { EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Objects on one line that are taken apart; a line of more is broken from there on. */
const MOST_PARTS = 1_000

/** What one line of a JSON Lines log holds: a value, or text that is none. */
export type JsonLinePart = { readonly value: unknown } | { readonly broken: string }

/**
 * Reads a line of JSON. Two or more objects on one line, as agents write them that append to a file
 * without a final newline, are taken apart.
 *
 * @example
 * readJsonLine('{"a":1}{"b":2}') // [{ value: { a: 1 } }, { value: { b: 2 } }]
 */
export function readJsonLine(text: string): JsonLinePart[] {
  const value = parsed(text)
  return value === undefined ? gluedParts(text) : [{ value }]
}

/** The event for a line, or a part of one, that is not JSON. */
export function brokenLineDraft(line: LogLine, text: string): EventDraft {
  const title = line.truncated ? 'line too long' : 'not JSON'
  return { kind: 'other', title, text, unparseable: true }
}

/** The event for a line that is JSON but says nothing that the parser knows. */
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

/** Cuts where one object ends and the next begins; what no cut makes JSON stays in one piece. */
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

/** Where the objects of a line end that follow one another without a line ending. */
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

/** Where the string ends whose text starts here; 0 when it does not. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text[end - 1 - backslashes] === '\\') backslashes += 1
    if (backslashes % 2 === 0) return end + 1
  }
  return 0
}
