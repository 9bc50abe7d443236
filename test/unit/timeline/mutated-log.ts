import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { detectParser, timelineParsers } from '../../../src/timeline/parsers.ts'
import { fc } from '../../support/property.ts'

const fixtures = join(import.meta.dirname, '../../fixtures')
const MOST_BYTES = 8_000

/** Real logs, a small one of each agent, and the starts of their lines, to cut slices from and to mix. */
const logs = ['session-logs', 'session-log-cases']
  .flatMap((folder) =>
    readdirSync(join(fixtures, folder), { recursive: true, withFileTypes: true }),
  )
  .filter(({ name }) => /\.(?:jsonl?|md)$/.test(name) && name !== 'README.md')
  .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
  .filter((bytes) => bytes.length > 0)
  .map((bytes) => ({ bytes, lineStarts: lineStartsOf(bytes), parser: parserOf(bytes) }))

function parserOf(bytes: Buffer): string {
  const text = bytes.toString()
  const values = text.split('\n', 20).flatMap((line) => {
    try {
      return [JSON.parse(line)]
    } catch {
      return []
    }
  })
  return detectParser({ text, values }, timelineParsers).name
}

interface Edit {
  readonly how: (bytes: Buffer, at: number, n: number) => Buffer
  readonly at: number
  readonly n: number
}

/**
 * Generates a small slice of a log with up to eight mutations, accidental and hostile ones.
 *
 * @param parser name of the parser whose logs three of four slices are cut from
 */
export function mutatedLog(parser: string): fc.Arbitrary<Buffer> {
  const own = logs.flatMap((log, index) => (log.parser === parser ? [index] : []))
  if (own.length === 0) throw new Error(`There is no log of ${parser}. Add one to the fixtures.`)
  const edit = fc.record({
    how: fc.constantFrom(...edits),
    at: fc.nat(0xffff),
    n: fc.nat(0xffff),
  })
  return fc
    .record({
      log: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(...own) },
        { weight: 1, arbitrary: fc.nat(logs.length - 1) },
      ),
      // Half of the slices start where the log does, where its format is detected.
      from: fc.oneof(fc.constant(0), fc.nat(0xffff)),
      length: fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 1, max: MOST_BYTES / 8 }) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: MOST_BYTES }) },
      ),
      edits: fc.array(edit, { maxLength: 8 }),
    })
    .map(({ log, from, length, edits: made }) => apply(slice(log, from, length), made))
}

function apply(bytes: Buffer, made: readonly Edit[]): Buffer {
  return made.reduce((before, { how, at, n }) => how(before, at, n), bytes)
}

function slice(log: number, from: number, length: number): Buffer {
  const { bytes, lineStarts } = pick(logs, log)
  const start = pick(lineStarts, from)
  return Buffer.from(bytes.subarray(start, start + length))
}

const NUMBERS = ['1e999', '-1e999', '9'.repeat(400), '1e-400', '-0', '0.1e+308', '00', 'NaN']
const VALUES = [null, true, 7, -1, '', 'x', [], {}, [null], [[1]], { type: 'text' }, '\0', '\ud800']
const KEYS = [
  '__proto__',
  'constructor',
  '',
  'line',
  'endLine',
  'unparseable',
  'type',
  'id',
  '\0',
  '\udfff',
  'x'.repeat(500),
]
const TEXTS = ['\\ud800', '\\udc00\\ud800', '\\u0000', '\\', '\0', '\u2028', '\uFEFF', '\u{1F600}']
const ENDINGS = ['\r\n', '\r', '\n\n', '\n\r', '', ' ', '\r\r\n', '\u0085\n', '\uFEFF\n']

const edits: readonly Edit['how'][] = [
  function cutOff(bytes, at) {
    return bytes.subarray(0, at % (bytes.length + 1))
  },
  function cutOut(bytes, at, n) {
    const start = at % (bytes.length + 1)
    return replace(bytes, start, start + (n % 200), '')
  },
  function flip(bytes, at, n) {
    if (bytes.length > 0) bytes.writeUInt8(n % 256, at % bytes.length)
    return bytes
  },
  function otherLineEnding(bytes, at, n) {
    const found = find(bytes, '\n', at)
    return found < 0 ? bytes : replace(bytes, found, found + 1, pick(ENDINGS, n))
  },
  function everyLineEndingIsOther(bytes, _, n) {
    return Buffer.from(bytes.toString('latin1').replaceAll('\n', pick(ENDINGS, n)), 'latin1')
  },
  function mark(bytes, at, n) {
    return Buffer.concat([Buffer.from('\uFEFF'.repeat(1 + (n % 3))), bytes.subarray(at % 2)])
  },
  function repeatLine(bytes, at, n) {
    const { start, end } = lineAt(bytes, at)
    const copies = Array.from({ length: n % 20 }, () => bytes.subarray(start, end))
    return replace(bytes, start, start, Buffer.concat(copies).subarray(0, MOST_BYTES))
  },
  function lineOfAnother(bytes, at, n) {
    const { start } = lineAt(bytes, at)
    const other = slice(n, at, MOST_BYTES)
    return replace(bytes, start, start, other.subarray(0, lineAt(other, 0).end))
  },
  function tailOfAnother(bytes, at, n) {
    return Buffer.concat([bytes, slice(n, at, 1 + (n % 2_000))])
  },
  function nest(bytes, at, n) {
    const depth = n % 11 === 0 ? 10_000 : n % 100
    const [open, close] = n % 2 === 0 ? ['[', ']'] : ['{"a":', '}']
    const closed = n % 5 === 0 ? '' : close.repeat(depth)
    return insertAfter(bytes, ':', at, `${open.repeat(depth)}1${closed},"":`)
  },
  function number(bytes, at, n) {
    return insertAfter(bytes, ':', at, `${pick(NUMBERS, n)},"n":`)
  },
  function text(bytes, at, n) {
    return insertAfter(bytes, '"', at, pick(TEXTS, n))
  },
  function illFormedText(bytes, at, n) {
    const ill = Buffer.from(n % 2 === 0 ? [0xed, 0xa0, 0x80] : [0xc0, 0x80, 0xff, 0xf4])
    return replace(bytes, at % (bytes.length + 1), at % (bytes.length + 1), ill)
  },
  function longText(bytes, at, n) {
    return insertAfter(
      bytes,
      '"',
      at,
      pick(['A1b', 'x', '"', '\\"', '{', '}{'], n).repeat(n % 9_000),
    )
  },
  otherValue,
  otherValue,
  otherValue,
]

/** Another value, or key, somewhere in a line that is JSON, which stays JSON. */
function otherValue(bytes: Buffer, at: number, n: number): Buffer {
  const { start, end } = lineAt(bytes, at)
  let line: unknown
  try {
    line = JSON.parse(bytes.subarray(start, end).toString())
  } catch {
    return bytes
  }
  const places: { in: Record<string, unknown>; key: string }[] = []
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null || places.length > 300) return
    for (const [key, inner] of Object.entries(value)) {
      places.push({ in: value as Record<string, unknown>, key })
      visit(inner)
    }
  }
  visit(line)
  if (places.length === 0) return bytes
  const place = pick(places, at)
  if (n % 4 === 0) place.in[pick(KEYS, n >> 2)] = place.in[place.key]
  else if (n % 4 === 1) delete place.in[place.key]
  else place.in[place.key] = pick(VALUES, n >> 2)
  return replace(bytes, start, end, `${stringify(line) ?? ''}\n`)
}

/** Returns undefined for a value nested too deep to be serialised. */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function pick<T>(values: readonly T[], n: number): T {
  return values[n % values.length] as T
}

function replace(bytes: Buffer, start: number, end: number, by: string | Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(by as string), bytes.subarray(end)])
}

/** Where the text is found first at or after a place, or before it. */
function find(bytes: Buffer, text: string, at: number): number {
  const found = bytes.indexOf(text, at % (bytes.length + 1))
  return found < 0 ? bytes.indexOf(text) : found
}

function insertAfter(bytes: Buffer, text: string, at: number, inserted: string): Buffer {
  const found = find(bytes, text, at)
  return found < 0 ? bytes : replace(bytes, found + 1, found + 1, inserted)
}

function lineAt(bytes: Buffer, at: number): { start: number; end: number } {
  const start = pick(lineStartsOf(bytes), at)
  const newline = bytes.indexOf('\n', start)
  return { start, end: newline < 0 ? bytes.length : newline + 1 }
}

function lineStartsOf(bytes: Buffer): number[] {
  const starts = [0]
  for (let at = bytes.indexOf('\n'); at >= 0; at = bytes.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
