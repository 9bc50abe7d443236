import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createFrameReader, FRAME_TYPE, readJsonPayload } from '../../src/live/frames.ts'
import { PRINCIPAL_HEADER } from '../../src/live/protocol.ts'
import { createShapeProxy, type ShapeLogEntry } from '../../src/server/index.ts'
import { principalDigest } from '../../src/server/proxy/principal-digest.ts'
import { sessionShapes } from '../../src/shapes/session-shapes.ts'
import { cases, fc } from '../support/property.ts'
import { type FakeElectric, startFakeElectric } from '../unit/proxy/fake-electric.ts'
import { type Served, serve } from '../unit/proxy/serve.ts'

// Attacks on the endpoint that serves many live polls over one connection.

const SECRET = 'keep-this-to-yourself'
const MINE = 'live=true&handle=1-1&offset=0_0'

let electric: FakeElectric
let app: Served
const log: ShapeLogEntry[] = []

beforeAll(async () => {
  electric = await startFakeElectric()
  app = await serve(
    createShapeProxy({
      electricUrl: electric.url,
      secret: SECRET,
      authenticate: (request) => {
        const [tenantId, userId] = request.headers.get('x-user')?.split('/') ?? []
        return tenantId && userId ? { tenantId, userId } : null
      },
      limits: false,
      logger: (entry) => log.push(entry),
    }),
  )
})

beforeEach(() => {
  electric.seen.length = 0
  log.length = 0
  // A response that does not continue, so that the batch ends.
  electric.answerWith((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'electric-handle': '1-1' })
    response.end(JSON.stringify([request.query.get('params[1]'), request.query.get('params[2]')]))
  })
})

afterAll(async () => {
  await app.close()
  await electric.close()
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface BatchAnswer {
  readonly status: number
  readonly text: string
  /** By the poll's index in the batch. */
  readonly polls: readonly Answer[]
}

/** Posts a body unchanged and reads the whole response. */
async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  path = '/api/shapes/_live',
): Promise<BatchAnswer> {
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    // A connection each: the server closes one whose body it did not read completely.
    headers: {
      'x-user': 't1/ann',
      'content-type': 'application/json',
      connection: 'close',
      ...headers,
    },
    body,
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = new TextDecoder().decode(bytes)
  if (response.status !== 200) return { status: response.status, text, polls: [] }
  const polls: { status: number; headers: Record<string, string>; body: string }[] = []
  for (const frame of createFrameReader()(bytes)) {
    if (frame.type === FRAME_TYPE.head) {
      const head = readJsonPayload(frame) as { status: number; headers: [string, string][] }
      polls[frame.poll] = {
        status: head.status,
        headers: Object.fromEntries(head.headers),
        body: '',
      }
    }
    const poll = polls[frame.poll]
    if (frame.type === FRAME_TYPE.data && poll) poll.body += new TextDecoder().decode(frame.payload)
  }
  return { status: 200, text, polls }
}

const batch = (...polls: readonly (readonly [shape: string, query: string])[]) =>
  JSON.stringify({ polls: polls.map(([shape, query]) => ({ shape, query })) })

const own = (name: string) => {
  const isList = ['sessions', 'threads', 'thread-states'].includes(name)
  const session = isList ? '' : '&sessionId=x'
  const thread = name.startsWith('thread-') && !isList ? '&threadId=x' : ''
  const epoch = name === 'session-deltas' ? '&epoch=7' : ''
  const place = name === 'session-timeline-window' ? '&fromSeq=0&toSeq=9' : ''
  const window = name === 'thread-messages-window' ? '&fromPosition=0' : ''
  const message = name === 'thread-message' ? '&messageId=x' : ''
  return `${MINE}${session}${thread}${epoch}${place}${window}${message}`
}

const forbidden = [
  'table=users',
  'where=1=1)%20OR%20(1=1',
  'columns=id,content_ref',
  'queryable_columns=content_ref',
  'params[1]=t2',
  'params%5B1%5D=t2',
  'pa\nrams[1]=t2',
  'ta\tble=users',
  'secret=x',
  'replica=full',
  'live=false',
  'live=true',
  'offset=-1',
  '%6fffset=0_0',
  'handle=2-2',
  'offset[]=0_0',
  'subset__where=content_ref%20IS%20NOT%20NULL',
  'tenantId=t2',
  'userId=bob',
  '__proto__=x',
  '__proto__[tenantId]=t2',
  'constructor=x',
  'ｔable=x',
  'cursor=%ff',
  '%00=x',
]

describe.each(Object.keys(sessionShapes))('a poll of %s', (shape) => {
  test('is served when it is honest', async () => {
    const { polls } = await post(batch([shape, own(shape)]))
    expect(polls.map(({ status }) => status)).toEqual([200])
    expect(electric.seen).toHaveLength(1)
  })

  test.each(forbidden)('with %j is refused without a request to the engine', async (extra) => {
    const { polls } = await post(batch([shape, `${own(shape)}&${extra}`]))
    expect(polls.map(({ status }) => status)).toEqual([400])
    expect(electric.seen).toEqual([])
  })
})

describe('an invalid shape name', () => {
  test.each([
    '',
    '.',
    '..',
    '../sessions',
    '/v1/shape',
    'sessions/',
    'sessions?table=users',
    'sessions#',
    'sessions\\..',
    '%73essions',
    '%2e%2e',
    'sessions%00',
    'sessions\u0000',
    'ses\nsions',
    ' sessions',
    'ſessions',
    'sessiоns',
    '_live',
    '__proto__',
    '@evil.example',
    's'.repeat(65),
  ])('%j ends the batch', async (shape) => {
    const answer = await post(batch(['sessions', MINE], [shape, MINE]))
    expect(answer.status, answer.text).toBe(400)
    expect(electric.seen).toEqual([])
  })

  test.each(['Sessions', 'chat_messages', 'constructor', 'toString', 'hasOwnProperty', 'v1'])(
    '%s is 404 for its poll alone',
    async (shape) => {
      const { polls } = await post(batch([shape, MINE], ['sessions', MINE]))
      expect(polls.map(({ status }) => status)).toEqual([404, 200])
      expect(electric.seen).toHaveLength(1)
    },
  )
})

describe('a body that is not a batch', () => {
  const poll = { shape: 'sessions', query: MINE }
  test.each([
    ['no object', '[]', 400],
    ['null', 'null', 400],
    ['an object in place of the polls', '{"polls":{"0":{},"length":1}}', 400],
    ['polls in polls', JSON.stringify({ polls: [[poll]] }), 400],
    ['a query that is an object', '{"polls":[{"shape":"sessions","query":{"live":"true"}}]}', 400],
    ['a shape that is a list', `{"polls":[{"shape":["sessions"],"query":"${MINE}"}]}`, 400],
    ['__proto__ beside the polls', `{"polls":[${JSON.stringify(poll)}],"__proto__":{}}`, 400],
    ['__proto__ in a poll', `{"polls":[{"__proto__":${JSON.stringify(poll)}}]}`, 400],
    ['constructor in a poll', JSON.stringify({ polls: [{ ...poll, constructor: {} }] }), 400],
    ['a principal in a poll', JSON.stringify({ polls: [{ ...poll, principal: 't2/bob' }] }), 400],
    ['headers in a poll', JSON.stringify({ polls: [{ ...poll, headers: {} }] }), 400],
    ['a snapshot', batch(['sessions', 'offset=-1']), 400],
    ['a live poll in other letters', batch(['sessions', 'LIVE=true&offset=0_0']), 400],
    ['SSE', batch(['sessions', `${MINE}&live_sse=true`]), 400],
    ['too many polls', JSON.stringify({ polls: Array(201).fill(poll) }), 400],
    ['a query too long', batch(['sessions', `${MINE}&cursor=${'1'.repeat(9_000)}`]), 400],
    ['a body too long', `{"polls":[${' '.repeat(600 * 1024)}]}`, 413],
    ['a nesting too deep', `{"polls":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 400],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400],
  ])('%s is refused', async (_what, body, status) => {
    const answer = await post(body)
    expect(answer.status, answer.text).toBe(status)
    expect(JSON.parse(answer.text).error.message.length).toBeLessThan(300)
    expect(electric.seen).toEqual([])
    const reason = expect.stringMatching(/^live batch: /)
    expect(log).toMatchObject([{ shape: null, status, reason }])
  })

  test('does not get its text into the response or the log', async () => {
    const words = 'no-words-of-mine\nlevel=error'
    const answer = await post(JSON.stringify({ polls: [{ ...poll, [words]: 1 }] }))
    expect(answer.status).toBe(400)
    expect(answer.text + JSON.stringify(log)).not.toContain('no-words-of-mine')
  })
})

describe('a cross-site request', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'text/plain;application/json',
    '',
  ])('from a form gets 415 for %j', async (type) => {
    const answer = await post(batch(['sessions', MINE]), { 'content-type': type })
    expect(answer.status).toBe(415)
    expect(electric.seen).toEqual([])
    expect(log).toMatchObject([{ status: 415, principal: null }])
  })

  test('gets no CORS permission, neither in a preflight nor in a response', async () => {
    const origin = { origin: 'https://evil.example' }
    const preflight = await fetch(`${app.url}/api/shapes/_live`, {
      method: 'OPTIONS',
      headers: {
        ...origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    })
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
    expect(preflight.headers.get('access-control-allow-headers')).toBeNull()
    const response = await fetch(`${app.url}/api/shapes/_live`, {
      method: 'POST',
      headers: { ...origin, 'x-user': 't1/ann', 'content-type': 'application/json' },
      body: batch(['sessions', MINE]),
    })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    await response.arrayBuffer()
  })
})

describe('principals', () => {
  test('another tenant’s handle and offset are sent with the principal’s own condition', async () => {
    const theirs = 'live=true&handle=9-9&offset=7_7'
    await post(batch(['sessions', theirs], ['session-messages', `${theirs}&sessionId=s-of-t2`]))
    expect(electric.seen).toHaveLength(2)
    for (const { query } of electric.seen) {
      expect([query.get('handle'), query.get('offset')]).toEqual(['9-9', '7_7'])
      expect(query.get('where')).toContain('tenant_id')
      expect(query.get('params[1]')).toBe('t1')
    }
  })

  test('a poll has the batch’s headers, and none of them goes upstream', async () => {
    await post(batch(['sessions', MINE]))
    await post(batch(['sessions', MINE]), {
      'x-tenant-id': 't2',
      'x-original-url': '/v1/shape?table=users',
      'x-http-method-override': 'DELETE',
      'electric-handle': '9-9',
      authorization: `Bearer ${SECRET}`,
    })
    const [honest, attack] = electric.seen
    expect(attack?.query).toEqual(honest?.query)
    expect(attack?.headers).toEqual(honest?.headers)
  })

  test('with concurrent batches are never mixed', async () => {
    const users = fc.constantFrom('t1/ann', 't1/bob', 't2/ann', 't3/eve', 't2/bob')
    const shapes = fc.constantFrom(...Object.keys(sessionShapes), 'nothing')
    const batches = fc.array(fc.tuple(users, fc.array(shapes, { minLength: 1, maxLength: 6 })), {
      minLength: 2,
      maxLength: 5,
    })
    await fc.assert(
      fc.asyncProperty(batches, async (all) => {
        await Promise.all(
          all.map(async ([user, names]) => {
            const [tenantId = '', userId = ''] = user.split('/')
            const digest = await principalDigest()({ tenantId, userId })
            const { polls } = await post(
              batch(...names.map((name) => [name, own(name)] as const)),
              {
                'x-user': user,
              },
            )
            expect(polls).toHaveLength(names.length)
            for (const [index, { status, headers, body }] of polls.entries()) {
              const known = names[index] !== 'nothing'
              expect([status, headers[PRINCIPAL_HEADER]]).toEqual([known ? 200 : 404, digest])
              if (known) expect(JSON.parse(body)[0]).toBe(tenantId)
            }
          }),
        )
      }),
      { numRuns: cases(20, 300) },
    )
  })
})

test('no refusal contains the secret, the engine or the principal', async () => {
  const answers = await Promise.all([
    ...forbidden.map((extra) => post(batch(['sessions', `${MINE}&${extra}`]))),
    post('{'),
    post(batch(['nothing', MINE], ['session-threads', MINE], ['..', MINE])),
  ])
  const all =
    answers.map(({ text }) => text).join('\n') + JSON.stringify(log.map(({ reason }) => reason))
  expect(all).not.toContain(SECRET)
  expect(all).not.toContain(electric.url)
  expect(all).not.toMatch(/"t1"|"ann"|tenant_id" =/)
})
