import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createFrameReader,
  FRAME_TYPE,
  type Frame,
  readJsonPayload,
} from '../../../src/live/frames.ts'
import { PRINCIPAL_HEADER } from '../../../src/live/protocol.ts'
import { createShapeProxy, type ShapeLogEntry } from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type FakeElectric, startFakeElectric } from './fake-electric.ts'
import { type Served, serve } from './serve.ts'

let electric: FakeElectric
let app: Served
let entries: ShapeLogEntry[]
let signedIn: boolean

beforeEach(async () => {
  electric = await startFakeElectric()
  entries = []
  signedIn = true
  app = await serve(
    createShapeProxy({
      electricUrl: electric.url,
      secret: 'hush',
      authenticate: (request) => {
        const userId = request.headers.get('x-user')
        return signedIn && userId !== null ? { tenantId: 't1', userId } : null
      },
      logger: (entry) => entries.push(entry),
    }),
  )
  electric.answerWith((request, response) => {
    // Answers the first poll of a shape, and holds the next one.
    if (request.query.get('offset') !== '0_0') return
    response.writeHead(200, {
      'electric-handle': 'h1',
      'electric-offset': '1_0',
      'electric-cursor': '7',
      'electric-up-to-date': '',
      'electric-server': 'ElectricSQL/1.7.12',
    })
    response.end(`[${JSON.stringify(request.query.get('table'))}]`)
  })
})
afterEach(async () => {
  await app.close()
  await electric.close()
})

const live = (rest = '') => `live=true&offset=0_0&handle=h1${rest}`

function post(body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${app.url}/api/shapes/_live`, {
    method: 'POST',
    headers: { 'x-user': 'ann', 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  })
}

/** Reads frames until `count` responses are complete. */
async function readAnswers(response: Response, count: number) {
  const read = createFrameReader()
  const frames: Frame[] = []
  const reader = response.body?.getReader()
  const isEnd = ({ type }: Frame) => type === FRAME_TYPE.end || type === FRAME_TYPE.last
  while (frames.filter(isEnd).length < count) {
    const piece = await reader?.read()
    if (piece === undefined || piece.done) break
    frames.push(...read(piece.value))
  }
  const answers = frames
    .filter(({ type }) => type === FRAME_TYPE.head)
    .map((head) => ({
      poll: head.poll,
      ...(readJsonPayload(head) as { status: number; headers: [string, string][] }),
      text: frames
        .filter(({ type, poll }) => type === FRAME_TYPE.data && poll === head.poll)
        .map(({ payload }) => new TextDecoder().decode(payload))
        .join(''),
      end: frames.find((frame) => isEnd(frame) && frame.poll === head.poll)?.type,
    }))
    .sort((a, b) => a.poll - b.poll)
  return { frames, answers, reader }
}

describe('a batch', () => {
  test('gets the responses of single requests, continued from their ends', async () => {
    const response = await post({
      polls: [
        { shape: 'sessions', query: live() },
        { shape: 'thread-messages', query: live('&sessionId=s1&threadId=th1') },
      ],
    })
    expect(response.headers.get('cache-control')).toBe('private, no-store, no-transform')
    const { frames, answers, reader } = await readAnswers(response, 2)
    expect(readJsonPayload(frames[0] as Frame)).toEqual({
      principal: response.headers.get(PRINCIPAL_HEADER),
    })
    expect(answers.map(({ status, text, end }) => [status, text, end])).toEqual([
      [200, '["sessions"]', FRAME_TYPE.end],
      [200, '["chat_messages"]', FRAME_TYPE.end],
    ])
    const single = await fetch(`${app.url}/api/shapes/sessions?${live()}`, {
      headers: { 'x-user': 'ann' },
    })
    const headers = Object.fromEntries(answers[0]?.headers ?? [])
    for (const [name, value] of Object.entries(headers))
      expect(single.headers.get(name)).toBe(value)
    expect(headers).toHaveProperty(PRINCIPAL_HEADER)
    expect(headers).not.toHaveProperty('electric-server')
    // The next round goes to the engine with this user's condition, the secret, and the new offset.
    await eventually(() =>
      expect(electric.seen.filter(({ query }) => query.get('offset') === '1_0')).toHaveLength(2),
    )
    const next = electric.seen.filter(({ query }) => query.get('offset') === '1_0')
    for (const { query } of next) {
      expect(query.get('cursor')).toBe('7')
      expect(query.get('secret')).toBe('hush')
      expect([query.get('params[1]'), query.get('where')?.includes('tenant_id')]).toEqual([
        't1',
        true,
      ])
    }
    await reader?.cancel()
  })

  test('refuses one poll without touching the others', async () => {
    const response = await post({
      polls: [
        { shape: 'nothing', query: live() },
        { shape: 'thread-messages', query: live() },
        { shape: 'sessions', query: live('&where=1=1') },
        { shape: 'sessions', query: live() },
      ],
    })
    const { answers, reader } = await readAnswers(response, 4)
    expect(answers.map(({ status }) => status)).toEqual([404, 400, 400, 200])
    expect(answers.map(({ end }) => end)).toEqual([5, 5, 5, 4])
    await reader?.cancel()
  })

  test('authenticates every round, so an expired sign-in is refused at the next one', async () => {
    let answerNext = () => {}
    electric.answerWith((request, response) => {
      const offset = Number(request.query.get('offset')?.split('_')[0])
      const answer = () => {
        response.writeHead(200, {
          'electric-handle': 'h1',
          'electric-offset': `${offset + 1}_0`,
          'electric-cursor': '7',
          'electric-up-to-date': '',
        })
        response.end('[]')
      }
      if (offset === 0) answer()
      else answerNext = answer
    })
    const response = await post({ polls: [{ shape: 'sessions', query: live() }] })
    const answers = readAnswers(response, 3)
    await eventually(() => expect(electric.seen).toHaveLength(2))
    signedIn = false
    answerNext()
    expect((await answers).answers.map(({ status }) => status)).toEqual([200, 200, 401])
    expect(electric.seen).toHaveLength(2)
    const again = await post({ polls: [{ shape: 'sessions', query: live() }] })
    expect(again.status).toBe(401)
  })

  test('aborts its upstream requests when the client disconnects', async () => {
    let closed = 0
    electric.answerWith((_request, response) => response.on('close', () => (closed += 1)))
    const aborter = new AbortController()
    await post(
      { polls: [0, 1, 2].map((n) => ({ shape: 'sessions', query: `${live()}&cursor=${n}` })) },
      { signal: aborter.signal },
    )
    await eventually(() => expect(electric.seen).toHaveLength(3))
    aborter.abort()
    await eventually(() => expect(closed).toBe(3))
  })

  test('streams a large response with back-pressure', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x')
    let sent = 0
    electric.answerWith((_request, response) => {
      response.writeHead(200, { 'electric-handle': 'h1', 'electric-offset': '1_0' })
      const more = () => {
        while (sent < 60) {
          sent += 1
          if (!response.write(piece)) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
    const response = await post({ polls: [{ shape: 'sessions', query: live() }] })
    const reader = response.body?.getReader()
    await reader?.read()
    // Without a reader, the engine can send only what fits into the sockets' buffers.
    const before = await stable(() => sent)
    expect(before).toBeLessThan(40)
    let bytes = 0
    for (let end = false; !end; ) {
      const read = await reader?.read()
      bytes += read?.value?.byteLength ?? 0
      end = read?.done ?? true
    }
    expect(bytes).toBeGreaterThan(59 * 1024 * 1024)
  })

  test.each([
    ['no JSON', '{', 400],
    ['no polls', { polls: [] }, 400],
    ['too many polls', { polls: Array(201).fill({ shape: 'sessions', query: live() }) }, 400],
    ['a snapshot', { polls: [{ shape: 'sessions', query: 'offset=-1' }] }, 400],
    ['SSE', { polls: [{ shape: 'sessions', query: live('&live_sse=true') }] }, 400],
    ['a path', { polls: [{ shape: '../secret', query: live() }] }, 400],
    ['an encoded path', { polls: [{ shape: '%2e%2e', query: live() }] }, 400],
    ['a fragment', { polls: [{ shape: 'sessions', query: `${live()}#` }] }, 400],
    ['another field', { polls: [{ shape: 'sessions', query: live(), table: 'x' }] }, 400],
    ['a huge body', `{"polls":[${' '.repeat(600 * 1024)}]}`, 413],
  ])('with %s is refused', async (_what, body, status) => {
    const response = await post(body)
    expect(response.status).toBe(status)
    expect(electric.seen).toEqual([])
  })

  test.each(['GET', 'PUT', 'DELETE'])('refuses method %s', async (method) => {
    const response = await fetch(`${app.url}/api/shapes/_live`, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
  })

  test('returns 401 before reading the body of an unauthenticated request', async () => {
    const response = await post(
      { polls: [{ shape: 'sessions', query: live() }] },
      {
        headers: { 'content-type': 'application/json' },
      },
    )
    expect(response.status).toBe(401)
    expect(electric.seen).toEqual([])
  })
})

describe('the access log', () => {
  test('contains a batch that is refused as a whole, with the reason', async () => {
    await post({ polls: [{ shape: 'sessions', query: live(), 'line\nbreak': 'x' }] })
    await post({ polls: [] }, { headers: { 'x-user': 'ann', 'content-type': 'text/plain' } })
    signedIn = false
    await post({ polls: [{ shape: 'sessions', query: live() }] })
    const common = { method: 'POST', shape: null, live: true, upstreamMs: null }
    const ann = { tenantId: 't1', userId: 'ann' }
    expect(entries).toMatchObject([
      {
        ...common,
        principal: ann,
        status: 400,
        reason: 'live batch: polls.0: has an unknown field',
      },
      {
        ...common,
        principal: null,
        status: 415,
        reason: 'live batch: Send the batch as application/json.',
      },
      {
        ...common,
        principal: null,
        status: 401,
        reason: 'live batch: Sign in, then try again.',
      },
    ])
  })

  test('contains each poll of a served batch like a single request', async () => {
    const response = await post({ polls: [{ shape: 'nothing', query: live() }] })
    await readAnswers(response, 1)
    expect(entries).toMatchObject([{ shape: 'nothing', status: 404, method: 'GET' }])
  })
})

/** Waits until a number has stopped changing. */
async function stable(read: () => number): Promise<number> {
  let last = -1
  await vi.waitFor(
    () => {
      const now = read()
      const same = now === last
      last = now
      expect(same).toBe(true)
    },
    { interval: 200, timeout: 10_000 },
  )
  return last
}
