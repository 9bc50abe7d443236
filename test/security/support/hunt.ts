import { expect } from 'vitest'
import { givenEngine } from '../../support/given-engine.ts'
import { fc } from '../../support/property.ts'
import { type Attempt, attempt } from './requests.ts'
import { granteesOf, keyOf, MARKER, rules, type TextRow } from './truth.ts'
import { SECRET, signedIn, type World } from './world.ts'

/** Another engine may answer nonsense with 500 or 503, which the proxy turns into 502 and 503. */
const STATUSES = [200, 400, 403, 404, 405, 409, 413, ...(givenEngine() ? [502, 503] : [])]

type Serve = (request: Request) => Promise<Response>

/** A place in a log that some principal received. */
type Place = string

/** Counters, so that a hunt cannot pass without having seen anything. */
export interface HuntReport {
  answered: number
  rows: number
  whole: number
  subsets: number
  refused: number
  /** Refused for its audience. */
  forbidden: number
  /** Rows that were sent through an audience. */
  throughAudience: number
  /** Lists of audiences. */
  lists: number
}

/**
 * Sends random requests of random principals and compares every response with the SQL reference.
 *
 * @throws what fast-check throws: the smallest request found that leaks.
 */
export async function hunt(world: World, serve: Serve, cases: number): Promise<HuntReport> {
  const report: HuntReport = {
    ...{ answered: 0, rows: 0, whole: 0, subsets: 0, refused: 0 },
    ...{ forbidden: 0, throughAudience: 0, lists: 0 },
  }
  const places: Place[] = []
  const property = fc.asyncProperty(attempt, (given) =>
    examine(world, serve, given, places, report),
  )
  await fc.assert(property, { numRuns: cases, interruptAfterTimeLimit: 1_500_000 })
  return report
}

async function examine(
  { truth, electricUrl }: World,
  serve: Serve,
  given: Attempt,
  places: Place[],
  report: HuntReport,
): Promise<void> {
  const { who, method, shape, body, stolen } = given
  const place = stolen === undefined ? undefined : places[stolen % Math.max(1, places.length)]
  const query = [given.query, place].filter((part) => part).join('&')
  const url = `http://app.test/api/shapes/${shape}?${query}`
  // A live poll would wait for news that never arrives.
  fc.pre(URL.canParse(url) && !/live(_sse)?=(true|1)/.test(query))
  const hasBody = body !== undefined && method !== 'GET' && method !== 'HEAD'
  const request = new Request(url, { method, headers: signedIn(who), ...(hasBody ? { body } : {}) })
  const response = await serve(request)
  const text = await response.text()
  const all = text + JSON.stringify([...response.headers])

  expect(all).not.toContain(SECRET)
  expect(all).not.toContain(new URL(electricUrl).host)
  expect(STATUSES, text).toContain(response.status)
  const allowed = await truth.markers(who)
  for (const [mark] of all.matchAll(MARKER)) expect(allowed, url).toContain(mark)
  const audience = new URL(url).searchParams.get('audience')
  if (response.status === 403) {
    expect(audience, url).not.toBeNull()
    expect(granteesOf(who), url).not.toContain(audience)
    report.forbidden += 1
  }
  if (response.status !== 200) {
    report.refused += 1
    return
  }
  report.answered += 1
  if (shape === '_audiences') {
    expect(JSON.parse(text), url).toEqual({ audiences: granteesOf(who) })
    report.lists += 1
    return
  }
  if (audience !== null) expect(granteesOf(who), url).toContain(audience)
  remember(places, response)
  const rows = rowsIn(text)
  report.rows += rows.length
  if (text.startsWith('{')) report.subsets += 1
  if (audience !== null) report.throughAudience += rows.length
  const expected = await truth.rows(who, shape, paramOf(shape, request.url), audience)
  expectOnly(rows, expected, url)
  if (isWhole(given) && method === 'GET') {
    expect(rows.map(keyOf).sort(), url).toEqual([...expected.keys()].sort())
    report.whole += 1
  }
}

/** The first response of a small shape is complete. */
function isWhole({ query, body, stolen }: Attempt): boolean {
  return body === undefined && stolen === undefined && /^(\w+=[^&]*&){0,5}offset=-1$/.test(query)
}

function paramOf(shape: string, url: string): string {
  return new URL(url).searchParams.get(rules[shape]?.param ?? '') ?? ''
}

function remember(places: Place[], { headers }: Response): void {
  const handle = headers.get('electric-handle')
  if (handle === null || places.length > 500) return
  for (const offset of [headers.get('electric-offset'), '0_0', '0_inf']) {
    places.push(`handle=${handle}&offset=${offset}`)
  }
}

export function rowsIn(text: string): TextRow[] {
  if (text === '') return []
  const parsed: unknown = JSON.parse(text)
  const messages = Array.isArray(parsed) ? parsed : (parsed as { data: unknown[] }).data
  return (messages as { value?: TextRow }[]).flatMap(({ value }) => (value ? [value] : []))
}

/** Every row equals one of the expected ones, with no extra column. */
function expectOnly(rows: TextRow[], expected: ReadonlyMap<string, TextRow>, url: string): void {
  for (const row of rows) {
    expect(expected.get(keyOf(row)), `${url} shows ${JSON.stringify(row)}`).toEqual(row)
  }
}
