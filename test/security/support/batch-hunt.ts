import { expect } from 'vitest'
import { createFrameReader, FRAME_TYPE, readJsonPayload } from '../../../src/live/frames.ts'
import { PRINCIPAL_HEADER } from '../../../src/live/protocol.ts'
import { principalDigest } from '../../../src/server/proxy/principal-digest.ts'
import { fc } from '../../support/property.ts'
import type { AppPrincipal } from './app-shapes.ts'
import { type BatchAttempt, batches, type Entry } from './batch-requests.ts'
import { rowsIn } from './hunt.ts'
import { parameter } from './requests.ts'
import { granteesOf, MARKER, rules, type TextRow, takesAudience } from './truth.ts'
import { SECRET, signedIn, type World } from './world.ts'

type Serve = (request: Request) => Promise<Response>

/** Places in logs from before the last writes, by principal and shape, or by tenant, audience and shape. */
export type Places = ReadonlyMap<string, string>

/** Counters, so that a hunt cannot pass without having seen anything. */
export interface BatchReport {
  polls: number
  rows: number
  whole: number
  refusedPolls: number
  /** Polls that were refused for their audience. */
  forbidden: number
  /** Rows that were sent through an audience. */
  throughAudience: number
  refusedBatches: number
}

const people: readonly AppPrincipal[] = ['t1', 't2', 't3'].flatMap((tenantId) =>
  ['ann', 'bob', 'eve'].flatMap((userId) =>
    [true, false].map((isAdmin) => ({ tenantId, userId, isAdmin })),
  ),
)
const ids: Readonly<Record<string, readonly string[]>> = {
  sessionId: ['s1', 's2', 's3', 's4'],
  threadId: ['th-s1', 'th-s2', 'th-s3', 'th-s4'],
  folderId: ['f0', 'f1'],
}

/** Everyone who looks through one audience continues from the same place. */
const placeKey = (who: AppPrincipal, shape: string, id: string, audience?: string) => {
  const isShared = audience !== undefined && granteesOf(who).includes(audience)
  const looker = people.find(
    (each) => each.tenantId === who.tenantId && granteesOf(each).includes(audience ?? ''),
  )
  return JSON.stringify([isShared ? looker : who, shape, rules[shape]?.param ? id : '', audience])
}

/** Requests every shape as every principal and through every audience, to collect places to continue from. */
export async function collectPlaces(serve: Serve): Promise<Places> {
  const places = new Map<string, string>()
  for (const who of people) {
    for (const [shape, { param }] of Object.entries(rules)) {
      for (const id of ids[param ?? ''] ?? ['']) {
        const own = takesAudience(shape) ? granteesOf(who) : []
        for (const audience of [undefined, ...own]) {
          const key = placeKey(who, shape, id, audience)
          if (places.has(key)) continue
          const query = [parameter(shape, id, audience), 'offset=-1'].filter(Boolean).join('&')
          const url = `http://app.test/${shape}?${query}`
          const { headers, body } = await serve(new Request(url, { headers: signedIn(who) }))
          await body?.cancel()
          const place = ['handle', 'offset'].map(
            (name) => `${name}=${headers.get(`electric-${name}`)}`,
          )
          places.set(key, place.join('&'))
        }
      }
    }
  }
  return places
}

type PlaceKey = readonly [AppPrincipal, string, string, string | null]

/** Waits until the engine has replicated the last writes at every place. */
export async function newsEverywhere(
  { truth }: World,
  serve: Serve,
  places: Places,
): Promise<void> {
  const waits = [...places].map(async ([key, place]) => {
    const [who, shape, id, audience] = JSON.parse(key) as PlaceKey
    if ((await truth.rows(who, shape, id, audience)).size === 0) return
    const own = parameter(shape, id, audience ?? undefined)
    const url = `http://app.test/${shape}?${[own, 'live=true', place].filter(Boolean).join('&')}`
    for (let rows: TextRow[] = []; rows.length === 0; ) {
      const response = await serve(new Request(url, { headers: signedIn(who) }))
      rows = rowsIn(await response.text())
    }
  })
  await Promise.all(waits)
}

/**
 * Sends random batches of random principals concurrently, and compares every poll's response with the
 * SQL reference. The engine's long polls must be short: a batch ends when all of its polls have ended
 * without news.
 *
 * @throws what fast-check throws: the smallest batches found that leak.
 */
export async function huntBatches(
  world: World,
  serve: Serve,
  places: Places,
  cases: number,
): Promise<BatchReport> {
  const report: BatchReport = {
    ...{ polls: 0, rows: 0, whole: 0, throughAudience: 0 },
    ...{ refusedPolls: 0, refusedBatches: 0, forbidden: 0 },
  }
  const property = fc.asyncProperty(batches, async (given) => {
    const examined = given.map((batch) => examine(world, serve, places, batch, report))
    // Wait for all: none may still be running when the next case starts.
    const failed = (await Promise.allSettled(examined)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  })
  await fc.assert(property, { numRuns: cases, interruptAfterTimeLimit: 1_500_000 })
  return report
}

async function examine(
  { truth, electricUrl }: World,
  serve: Serve,
  places: Places,
  { who, entries }: BatchAttempt,
  report: BatchReport,
): Promise<void> {
  const polls = entries.map((entry) => toPoll(who, entry, places))
  const request = new Request('http://app.test/api/shapes/_live', {
    method: 'POST',
    headers: { ...signedIn(who), 'content-type': 'application/json' },
    body: JSON.stringify({ polls }),
  })
  const response = await serve(request)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const all = new TextDecoder().decode(bytes) + JSON.stringify([...response.headers])
  expect(all).not.toContain(SECRET)
  expect(all).not.toContain(new URL(electricUrl).host)
  const allowed = await truth.markers(who)
  for (const [mark] of all.matchAll(MARKER)) expect(allowed, JSON.stringify(polls)).toContain(mark)
  if (response.status !== 200) {
    expect(response.status, all).toBe(400)
    report.refusedBatches += 1
    return
  }
  const digest = await principalDigest()({
    ...who,
    ...(who.isAdmin && { groups: ['team:admins'] }),
  })
  expect(response.headers.get(PRINCIPAL_HEADER)).toBe(digest)
  for (const [index, { status, principal, rows }] of answersIn(bytes).entries()) {
    const entry = entries[index]
    expect([200, 400, 403, 404, 409, 502, 503]).toContain(status)
    expect(principal, JSON.stringify(polls[index])).toBe(digest)
    report.polls += 1
    const audience = entry?.kind === 'poll' ? entry.audience : undefined
    const isOthers = audience !== undefined && !granteesOf(who).includes(audience)
    if (status === 403) {
      // The noise may contain another audience.
      if (entry?.kind === 'poll' && entry.noise === '') expect(isOthers).toBe(true)
      report.forbidden += 1
    }
    if (status !== 200) {
      report.refusedPolls += 1
      expect(rows).toEqual([])
      continue
    }
    if (entry?.kind !== 'poll') throw new Error(`answered: ${JSON.stringify(polls[index])}`)
    expect(isOthers, JSON.stringify(polls[index])).toBe(false)
    const expected = [...(await truth.rows(who, entry.shape, entry.id, audience)).values()]
    if (audience !== undefined) report.throughAudience += rows.length
    const left = new Set(expected)
    for (const row of rows) {
      const match = expected.find((candidate) => isPartOf(row, candidate))
      expect(match, `${JSON.stringify(polls[index])} shows ${JSON.stringify(row)}`).toBeDefined()
      if (match) left.delete(match)
      report.rows += 1
    }
    if (entry.noise !== '' || entry.stolen !== undefined) continue
    // All rows were written after the place it continues from.
    expect([...left], JSON.stringify(polls[index])).toEqual([])
    if (expected.length > 0) report.whole += 1
  }
}

function toPoll(who: AppPrincipal, entry: Entry, places: Places): unknown {
  if (entry.kind === 'raw') return entry.value
  const { shape, id, audience, noise, stolen } = entry
  const own = places.get(placeKey(who, shape, id, audience)) ?? 'handle=1-1&offset=0_0'
  const place = stolen === undefined ? own : [...places.values()][stolen % places.size]
  const query = [parameter(shape, id, audience), 'live=true', place, noise]
    .filter(Boolean)
    .join('&')
  return { shape, query }
}

interface PollAnswer {
  status: number
  principal: string | undefined
  readonly rows: TextRow[]
}

/** Collects each poll's responses over all rounds. */
function answersIn(bytes: Uint8Array): PollAnswer[] {
  const answers: PollAnswer[] = []
  const bodies: string[] = []
  const take = (poll: number) => {
    const text = bodies[poll] ?? ''
    bodies[poll] = ''
    if (answers[poll]?.status === 200) answers[poll]?.rows.push(...rowsIn(text))
  }
  for (const frame of createFrameReader()(bytes)) {
    const { type, poll } = frame
    if (type === FRAME_TYPE.head) {
      const head = readJsonPayload(frame) as { status: number; headers: [string, string][] }
      const principal = Object.fromEntries(head.headers)[PRINCIPAL_HEADER]
      answers[poll] = { rows: answers[poll]?.rows ?? [], status: head.status, principal }
    }
    if (type === FRAME_TYPE.data) {
      bodies[poll] = (bodies[poll] ?? '') + new TextDecoder().decode(frame.payload)
    }
    if (type === FRAME_TYPE.end || type === FRAME_TYPE.last) take(poll)
    expect(type).not.toBe(FRAME_TYPE.broken)
  }
  return answers
}

/** An update contains key and changed columns, an insert all columns, and neither any other column. */
function isPartOf(row: TextRow, whole: TextRow): boolean {
  return Object.entries(row).every(([name, value]) => {
    const expected = whole[name]
    return (
      expected === value ||
      (expected === 'true' && value === 't') ||
      (expected === 'false' && value === 'f')
    )
  })
}
