import assert from 'node:assert/strict'
import { request } from 'node:http'
import { createFrameReader, FRAME_TYPE, type Frame } from '../../src/live/frames.ts'
import type { World } from './world.ts'

/** A running proxy. */
export interface Subject extends World {
  /** URL of its shapes, without a trailing slash. */
  readonly shapesUrl: string
  /** True when its server treats a half-closed client as disconnected. */
  readonly seesHalfClose: boolean
}

/** Checks of the built proxy for every runtime. Each rejects when it fails. */
export const checks: Readonly<Record<string, (subject: Subject) => Promise<void>>> = {
  'returns the principal’s rows of a shape from the engine': async (subject) => {
    const { rows, response } = await readSnapshot(subject, 'sessions')
    assert.deepEqual(rows, ['first'])
    assert.equal(response.headers.get('cache-control'), 'private, no-cache')
    assert.match(response.headers.get('session-db-principal') ?? '', /^[0-9a-f]{32}$/)
    assert.deepEqual((await readSnapshot(subject, 'notes')).rows, ['n1'])
  },

  'answers a live poll when a row is written': async (subject) => {
    const live = await livePlace(subject, 'sessions')
    subject.relay.forget()
    const answer = get(subject, `sessions?${live}`)
    await subject.relay.seen(isLive)
    await subject.addSession('live-poll')
    assert.deepEqual(idsOf(await (await answer).text()), ['live-poll'])
  },

  'answers each poll of a batch as soon as it has news': async (subject) => {
    const polls = await livePolls(subject)
    subject.relay.forget()
    const response = await post(subject, '_live', { polls })
    assert.equal(response.status, 200)
    const frames = readFrames(response)
    assert.equal((await frames.next()).value?.type, FRAME_TYPE.hello)
    await subject.relay.seen((query) => isLive(query) && query.get('table') === 'sessions')
    await subject.addSession('batch')
    const text = await dataOf(frames, 0)
    assert.deepEqual(idsOf(text), ['batch'])
  },

  'denies by default': async (subject) => {
    const statusOf = async (path: string, init?: RequestInit) =>
      (await fetch(`${subject.shapesUrl}/${path}`, init)).status
    assert.equal(await statusOf('sessions?offset=-1'), 401)
    const headers = signedIn
    assert.equal(await statusOf('tables?offset=-1', { headers }), 404)
    assert.equal(await statusOf('sessions?offset=-1&table=notes', { headers }), 400)
    assert.equal(await statusOf('sessions?offset=-1&where=true', { headers }), 400)
    assert.equal(await statusOf('sessions?offset=-1', { headers, method: 'DELETE' }), 405)
    assert.equal(await statusOf('sessions?offset=-1', { headers, method: 'POST' }), 405)
    assert.equal(await statusOf('_live', { headers, method: 'POST', body: '{}' }), 415)
  },

  'aborts the poll at the engine when the client disconnects': async (subject) => {
    const live = await livePlace(subject, 'sessions')
    subject.relay.forget()
    const client = request(`${subject.shapesUrl}/sessions?${live}`, { headers: signedIn }).end()
    client.on('error', () => {})
    const poll = await subject.relay.seen(isLive)
    if (subject.seesHalfClose) client.destroy()
    else client.socket?.resetAndDestroy()
    assert.equal(await poll.over, 'given up')
  },

  'aborts the batch at the engine when the client disconnects': async (subject) => {
    const polls = await livePolls(subject)
    subject.relay.forget()
    const gone = new AbortController()
    const response = await post(subject, '_live', { polls }, gone.signal)
    const of = (table: string) =>
      subject.relay.seen((query) => isLive(query) && query.get('table') === table)
    const asked = await Promise.all([of('sessions'), of('notes')])
    gone.abort()
    await response.text().catch(() => undefined)
    assert.deepEqual(await Promise.all(asked.map(({ over }) => over)), ['given up', 'given up'])
  },

  // Last, because it stops the engine.
  'returns 502 without address or secret when the engine is down': async (subject) => {
    await subject.relay.close()
    const response = await get(subject, 'sessions?offset=-1')
    assert.equal(response.status, 502)
    assert.ok(response.headers.get('retry-after'))
    const all = `${JSON.stringify([...response.headers])}${await response.text()}`
    assert.ok(!all.includes(subject.secret))
    assert.ok(!all.includes(new URL(subject.relay.url).host))
  },
}

const signedIn = { 'x-user': 'acme/ann/red' }
const isLive = (query: URLSearchParams) => query.get('live') === 'true'

function get({ shapesUrl }: Subject, path: string): Promise<Response> {
  return fetch(`${shapesUrl}/${path}`, { headers: signedIn })
}

function post(
  { shapesUrl }: Subject,
  path: string,
  body: object,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${shapesUrl}/${path}`, {
    method: 'POST',
    headers: { ...signedIn, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })
}

/** Reads a shape from its beginning until it is up to date. */
async function readSnapshot(subject: Subject, shape: string) {
  const rows: string[] = []
  let query = 'offset=-1'
  for (;;) {
    const response = await get(subject, `${shape}?${query}`)
    assert.equal(response.status, 200)
    rows.push(...idsOf(await response.text()))
    const handle = response.headers.get('electric-handle')
    query = `handle=${handle}&offset=${response.headers.get('electric-offset')}`
    if (response.headers.has('electric-up-to-date')) {
      return { rows, response, live: `${query}&live=true` }
    }
  }
}

async function livePlace(subject: Subject, shape: string): Promise<string> {
  return (await readSnapshot(subject, shape)).live
}

async function livePolls(subject: Subject) {
  const names = ['sessions', 'notes']
  return await Promise.all(
    names.map(async (shape) => ({ shape, query: await livePlace(subject, shape) })),
  )
}

function idsOf(body: string): string[] {
  const messages = JSON.parse(body) as { value?: { id?: string } }[]
  return messages.flatMap(({ value }) => (value?.id === undefined ? [] : [value.id]))
}

async function* readFrames(response: Response): AsyncGenerator<Frame> {
  const read = createFrameReader()
  for await (const piece of response.body ?? []) yield* read(piece)
}

/** Returns the body of the first response to one poll of a batch. */
async function dataOf(frames: AsyncGenerator<Frame>, poll: number): Promise<string> {
  let text = ''
  for await (const frame of frames) {
    if (frame.poll !== poll || frame.type === FRAME_TYPE.ping) continue
    if (frame.type === FRAME_TYPE.data) text += new TextDecoder().decode(frame.payload)
    if (frame.type === FRAME_TYPE.end) return text
    assert.notEqual(frame.type, FRAME_TYPE.broken)
  }
  throw new Error('The batch ended without an answer.')
}
