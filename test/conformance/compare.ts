import { Difference, type Placeholders, short } from './placeholders.ts'
import type { RecordedResponse, Recording } from './recording.ts'
import { exchangesOf } from './recording.ts'

/** An actual answer. */
export interface ActualResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** True if the server ended an SSE answer. */
  readonly ended?: boolean
}

const standard = [
  'content-type',
  'cache-control',
  'etag',
  'retry-after',
  'location',
  'vary',
  'access-control-expose-headers',
]

/** The compared headers: the standard ones, and others that the recording contains anywhere. */
export function comparedHeaders(recording: Recording): Set<string> {
  const names = new Set(standard)
  for (const step of recording.steps) {
    for (const { response } of exchangesOf(step)) {
      for (const name of Object.keys(response.headers)) names.add(name)
    }
  }
  return names
}

/**
 * Compares an answer with the recorded one.
 *
 * @throws Difference with the first difference
 */
export function compareResponse(
  expected: RecordedResponse,
  actual: ActualResponse,
  headers: ReadonlySet<string>,
  placeholders: Placeholders,
): void {
  if (expected.status !== actual.status) {
    throw new Difference(
      `status: expected ${expected.status}, got ${actual.status} ${short(actual.text)}`,
    )
  }
  compareHeaders(expected, actual, headers, placeholders)
  compareBody(expected, actual, placeholders)
  if (expected.ended !== undefined && expected.ended !== actual.ended) {
    throw new Difference(`ended: expected ${expected.ended}, got ${actual.ended}`)
  }
}

function compareHeaders(
  expected: RecordedResponse,
  actual: ActualResponse,
  headers: ReadonlySet<string>,
  placeholders: Placeholders,
): void {
  const electric = [...actual.headers.keys()].filter(
    (name) => name.startsWith('electric-') && name !== 'electric-server',
  )
  for (const name of new Set([...headers, ...electric])) {
    const wanted = expected.headers[name]
    const got = actual.headers.get(name)
    const where = `header ${name}`
    if (wanted === undefined) {
      if (got !== null) throw new Difference(`${where}: expected none, got ${short(got)}`)
    } else if (got === null) {
      throw new Difference(`${where}: expected ${short(wanted)}, got none`)
    } else if (typeof wanted === 'string') {
      placeholders.matchText(wanted, got, where)
    } else {
      compareJson(wanted, parseJson(got, where), where, placeholders)
    }
  }
}

function compareBody(
  expected: RecordedResponse,
  actual: ActualResponse,
  placeholders: Placeholders,
): void {
  const wanted = expected.body ?? ''
  if (expected.headers['content-type'] === 'text/event-stream') {
    compareEvents(String(wanted), actual.text, placeholders)
  } else if (typeof wanted === 'string') {
    placeholders.matchText(wanted, actual.text, 'body')
  } else {
    const got = parseJson(actual.text, 'body')
    const { $summary, ...rest } = wanted as Record<string, unknown>
    if ($summary) compareJson(rest, summarize(got as Message[]), 'body', placeholders)
    else compareJson(wanted, got, 'body', placeholders)
  }
}

function compareEvents(expected: string, actual: string, placeholders: Placeholders): void {
  const events = (text: string) => text.split('\n\n').filter((event) => event.trim() !== '')
  const wanted = events(expected)
  const got = events(actual)
  if (wanted.length !== got.length) {
    throw new Difference(
      `body: expected ${wanted.length} events, got ${got.length}: ${short(actual)}`,
    )
  }
  for (const [i, event] of wanted.entries()) {
    const other = got[i] ?? ''
    const where = `event ${i}`
    if (!event.startsWith('data: ')) placeholders.matchText(event, other, where)
    else {
      const parse = (text: string) => parseJson(text.replace(/^data: /, ''), where)
      compareJson(parse(event), parse(other), where, placeholders)
    }
  }
}

interface Message {
  readonly key?: string
}

function summarize(messages: readonly Message[]) {
  const rows = messages.filter((message) => message.key !== undefined)
  return {
    rows: rows.length,
    ...(rows.length > 0 ? { firstKey: rows[0]?.key, lastKey: rows.at(-1)?.key } : {}),
    messages: messages.length,
    control: messages.filter((message) => message.key === undefined),
  }
}

function compareJson(
  expected: unknown,
  actual: unknown,
  where: string,
  placeholders: Placeholders,
): void {
  if (Array.isArray(expected)) {
    compareArrays(expected, actual, where, placeholders)
  } else if (typeof expected === 'string') {
    const got = typeof actual === 'number' && expected.includes('{{') ? String(actual) : actual
    if (typeof got !== 'string') throw mismatch(where, expected, actual)
    placeholders.matchText(expected, got, where)
  } else if (isObject(expected)) {
    if (!isObject(actual)) throw mismatch(where, expected, actual)
    compareObjects(expected, actual, where, placeholders)
  } else if (expected !== actual) {
    throw mismatch(where, expected, actual)
  }
}

function compareObjects(
  expected: Record<string, unknown>,
  actual: Record<string, unknown>,
  where: string,
  placeholders: Placeholders,
): void {
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const at = `${where}.${key}`
    if (!(key in expected) || !(key in actual)) throw mismatch(at, expected[key], actual[key])
    compareJson(expected[key], actual[key], at, placeholders)
  }
}

function mismatch(where: string, expected: unknown, actual: unknown): Difference {
  return new Difference(`${where}: expected ${short(expected)}, got ${short(actual)}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function compareArrays(
  expected: readonly unknown[],
  actual: unknown,
  where: string,
  placeholders: Placeholders,
): void {
  let got = actual as readonly unknown[]
  if (where.endsWith('.xip_list') && Array.isArray(actual)) {
    got = actual.filter((id) => placeholders.isOwnTxid(String(id)))
  }
  if (!Array.isArray(got) || got.length !== expected.length) {
    throw mismatch(where, expected, actual)
  }
  for (const [i, item] of expected.entries()) {
    compareJson(item, got[i], `${where}[${i}]`, placeholders)
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Difference(`${where}: expected JSON, got ${short(text)}`)
  }
}
