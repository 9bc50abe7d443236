import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as where from '../../../src/access/where.ts'
import { column } from '../../../src/schema/columns.ts'
import type { ShapeLogEntry } from '../../../src/server/proxy/access-log.ts'
import { createShapeProxy, type ShapeProxyOptions } from '../../../src/server/proxy/shape-proxy.ts'
import { defineShape } from '../../../src/shapes/define-shape.ts'
import { SessionDbError } from '../../../src/writes/errors.ts'
import { answerSnapshot, type FakeElectric, startFakeElectric } from './fake-electric.ts'
import { listen, type Served, serve } from './serve.ts'

const SECRET = 'keep-this-to-yourself'
const ann = { tenantId: 't1', userId: 'ann' }

let electric: FakeElectric
let app: Served
let log: ShapeLogEntry[]
let faults: unknown[]

async function start(options: Partial<ShapeProxyOptions> = {}): Promise<void> {
  app = await serve(
    createShapeProxy({
      electricUrl: electric.url,
      secret: SECRET,
      authenticate: () => ann,
      logger: (entry) => log.push(entry),
      onError: (error) => faults.push(error),
      ...options,
    }),
  )
}

beforeEach(async () => {
  log = []
  faults = []
  electric = await startFakeElectric()
})

afterEach(async () => {
  await app.close()
  await electric.close()
})

const get = (path: string, init?: RequestInit) => fetch(`${app.url}${path}`, init)

describe('a shape request', () => {
  test('is sent as table, columns, condition and protocol parameters', async () => {
    await start()
    const response = await get(
      '/api/shapes/thread-messages?sessionId=s1&threadId=th1&offset=-1&log=full',
    )
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual([{ headers: { control: 'snapshot-end' } }])
    const [asked] = electric.seen
    expect(asked?.path).toBe('/v1/shape')
    const { columns, queryable_columns, ...rest } = Object.fromEntries(asked?.query ?? [])
    expect(rest).toEqual({
      secret: SECRET,
      offset: '-1',
      log: 'full',
      table: 'chat_messages',
      where:
        '"tenant_id" = $1 AND "session_id" = $2 AND "thread_id" = $3 AND "session_id" IN (SELECT "id" FROM "sessions" WHERE ("tenant_id" = $1 AND "id" = $4 AND ("audiences" @> $5 OR "audiences" @> $6)))',
      'params[1]': 't1',
      'params[2]': 's1',
      'params[3]': 'th1',
      'params[4]': 's1',
      'params[5]': '{"tenant"}',
      'params[6]': '{"user:ann"}',
    })
    expect(columns?.split(',')).toContain('client_message_id')
    expect(queryable_columns).toBe(columns)
  })

  test('quotes names with capitals', async () => {
    const mixed = defineShape({
      table: 'public.A_Camel',
      columns: {
        id: column('Id', 'text'),
        userName: column('userName', 'text'),
        plain: column('plain', 'text'),
        weird: column('weird "col', 'text'),
      },
      tenantColumn: null,
      rows: (principal) => where.eq('Id', principal.userId),
    })
    await start({ shapes: { mixed } })
    await get('/mixed?offset=-1')
    expect(electric.seen[0]?.query.get('table')).toBe('public."A_Camel"')
    expect(electric.seen[0]?.query.get('columns')).toBe('"Id","userName",plain,"weird ""col"')
  })

  test('keeps path and parameters of electricUrl', async () => {
    await start({ electricUrl: `${electric.url}/engine/?source_id=s7` })
    await get('/sessions?offset=-1')
    expect(electric.seen[0]?.path).toBe('/engine/v1/shape')
    expect(electric.seen[0]?.query.get('source_id')).toBe('s7')
  })

  test('passes on no client header except a short ETag', async () => {
    await start()
    await get('/sessions?offset=-1', {
      headers: { cookie: 'a=b', authorization: 'Bearer x', 'x-forwarded-for': '1.2.3.4' },
    })
    await get('/sessions?offset=-1', { headers: { 'if-none-match': `"${'e'.repeat(600)}"` } })
    for (const { headers } of electric.seen) {
      expect(Object.keys(headers).sort()).toEqual(
        expect.not.arrayContaining(['cookie', 'authorization', 'x-forwarded-for', 'if-none-match']),
      )
    }
  })
})

describe('the response', () => {
  test('is private, varies by user, and has only the protocol’s headers', async () => {
    await start()
    const { headers } = await get('/sessions?offset=-1')
    expect(headers.get('cache-control')).toBe('private, no-cache')
    expect(headers.get('vary')).toBe('Cookie, Authorization')
    expect(headers.get('etag')).toBe('"100-1:-1:0_0"')
    expect(headers.get('electric-handle')).toBe('100-1')
    expect(headers.get('access-control-expose-headers')).toContain('electric-schema')
    for (const name of ['electric-server', 'set-cookie', 'access-control-allow-origin']) {
      expect(headers.get(name), name).toBeNull()
    }
  })

  test('to a live poll is not stored', async () => {
    await start()
    const { headers } = await get('/sessions?offset=0_0&handle=100-1&live=true')
    expect(headers.get('cache-control')).toBe('private, no-store')
  })

  test('passes on 304', async () => {
    await start()
    electric.answerWith((request, response) => {
      response.writeHead(304, { etag: String(request.headers['if-none-match']) }).end()
    })
    const response = await get('/sessions?offset=-1', { headers: { 'if-none-match': '"100-1"' } })
    expect(response.status).toBe(304)
    expect(response.headers.get('etag')).toBe('"100-1"')
    expect(await response.text()).toBe('')
  })

  test('to HEAD has headers and no body', async () => {
    await start()
    const response = await get('/sessions?offset=-1', { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(response.headers.get('electric-handle')).toBe('100-1')
    expect(electric.seen[0]?.method).toBe('HEAD')
  })

  test('is 400 for a HEAD that the engine refuses, as there is no body to tell the cause', async () => {
    await start()
    electric.answerWith((_request, response) => response.writeHead(400).end())
    expect((await get('/sessions?offset=x', { method: 'HEAD' })).status).toBe(400)
  })

  test('is streamed', async () => {
    await start()
    let finish = () => {}
    electric.answerWith((_request, response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-encoding': 'identity',
      })
      response.write('[1')
      finish = () => response.end(',2]')
    })
    const response = await get('/sessions?offset=-1')
    expect(response.headers.get('content-encoding')).toBeNull()
    const reader = response.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('[1')
    finish()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(',2]')
  })

  test('is cut off when the engine’s is, so that a partial body does not look complete', async () => {
    await start()
    electric.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('[1', () => response.destroy())
    })
    await expect(get('/sessions?offset=-1').then((response) => response.text())).rejects.toThrow()
  })
})

describe('a client that disconnects', () => {
  test('aborts its waiting live poll at the engine', async () => {
    await start()
    let upstreamClosed: Promise<unknown> | undefined
    electric.answerWith((_request, _response, incoming) => {
      upstreamClosed = once(incoming.socket, 'close')
    })
    const client = new AbortController()
    const poll = get('/sessions?offset=0_0&handle=1-1&live=true', { signal: client.signal })
    await vi.waitFor(() => expect(upstreamClosed).toBeDefined())
    client.abort()
    await expect(poll).rejects.toThrow()
    await upstreamClosed
    await vi.waitFor(() => expect(log).toMatchObject([{ status: 499, live: true }]))
  })

  test('cancels the streaming body upstream', async () => {
    await start()
    const ended = new Promise((resolve) => {
      electric.answerWith((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('[1')
        response.on('close', resolve)
      })
    })
    const response = await get('/sessions?offset=-1')
    await response.body?.cancel()
    await ended
  })
})

describe('authentication', () => {
  test.each([
    ['nobody', () => null],
    ['undefined', () => undefined],
    ['a principal without a user', () => ({ tenantId: 't1' }) as never],
    ['a principal with an empty tenant', () => ({ tenantId: '', userId: 'u' })],
    ['a throwing authentication', () => Promise.reject(new Error('database is down: pw=hunter2'))],
  ])('returns only 401 for %s', async (_name, authenticate) => {
    await start({ authenticate })
    const response = await get('/sessions?offset=-1')
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({
      error: { code: 'unauthenticated', message: 'Sign in, then try again.' },
    })
    expect(electric.seen).toEqual([])
    expect(JSON.stringify(log)).not.toContain('hunter2')
  })

  test('responds with the SessionDbError that authenticate throws', async () => {
    await start({
      authenticate: () => {
        throw new SessionDbError('forbidden', 'This account is locked.')
      },
    })
    expect((await get('/sessions?offset=-1')).status).toBe(403)
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('refuses %s', async (method) => {
    await start()
    const response = await get('/sessions?offset=-1', { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    expect(electric.seen).toEqual([])
  })

  test('answers OPTIONS with the allowed methods and no CORS permission', async () => {
    await start()
    const response = await get('/sessions', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    })
    expect(response.status).toBe(204)
    expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('when the engine fails', () => {
  const SECRETIVE = JSON.stringify({ message: `secret=${SECRET} http://10.0.0.1:3000 owner_id` })

  test.each([
    [401, {}, 502, '1'],
    [403, {}, 502, '1'],
    [404, {}, 502, '1'],
    [500, {}, 502, '1'],
    [302, { location: 'http://10.0.0.1:3000/?secret=x' }, 502, '1'],
    [429, { 'retry-after': '9' }, 503, '9'],
    [503, { 'retry-after': '7' }, 503, '7'],
    [503, { 'retry-after': 'Wed, 21 Oct 2025 07:28:00 GMT' }, 503, '5'],
  ])('maps status %i (%o) to %i with Retry-After %s', async (status, headers, ours, retryAfter) => {
    await start()
    electric.answerWith((_request, response) => response.writeHead(status, headers).end(SECRETIVE))
    const response = await get('/sessions?offset=-1')
    const body = await response.text()
    expect(response.status).toBe(ours)
    expect(response.headers.get('retry-after')).toBe(retryAfter)
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'unavailable' } })
    expect(body + JSON.stringify([...response.headers]) + JSON.stringify(log)).not.toMatch(
      new RegExp(`${SECRET}|10\\.0\\.0\\.1|owner_id`),
    )
    expect(log[0]?.reason).toContain(String(status))
  })

  test('returns must-refetch with the new handle for 409', async () => {
    await start()
    electric.answerWith((_request, response) => {
      response.writeHead(409, {
        'electric-handle': '200-2',
        location: `/v1/shape?secret=${SECRET}`,
      })
      response.end(SECRETIVE)
    })
    const response = await get('/sessions?offset=0_0&handle=100-1')
    expect(response.status).toBe(409)
    expect(response.headers.get('electric-handle')).toBe('200-2')
    expect(response.headers.get('location')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('private, no-store')
    expect(await response.json()).toEqual([{ headers: { control: 'must-refetch' } }])
  })

  test("passes on a 400 about the client's parameters", async () => {
    await start()
    electric.answerWith((_request, response) => {
      response.writeHead(400).end(JSON.stringify({ errors: { offset: ['has invalid format'] } }))
    })
    const response = await get('/sessions?offset=abc')
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      error: {
        code: 'invalid',
        message: 'offset: has invalid format. Correct it, or start again with offset=-1.',
      },
    })
  })

  test.each([
    JSON.stringify({ errors: { where: ['owner_id does not exist'], offset: ['x'] } }),
    'owner_id',
    '',
    '['.repeat(100_000),
  ])('returns 502 for any other 400: %.40s', async (body) => {
    await start()
    electric.answerWith((_request, response) => response.writeHead(400).end(body))
    const response = await get('/sessions?offset=-1')
    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain('owner_id')
    expect(log[0]?.reason).toMatch(/Electric refused the shape/)
  })

  test('retries once when the engine has just closed the connection', async () => {
    await start()
    electric.answerWith((request, response, incoming) => {
      if (electric.seen.length === 1) incoming.socket.resetAndDestroy()
      else answerSnapshot(request, response)
    })
    expect((await get('/sessions?offset=-1')).status).toBe(200)
    expect(electric.seen).toHaveLength(2)
  })

  test('returns 502 when the connection breaks twice', async () => {
    await start()
    electric.answerWith((_request, _response, incoming) => incoming.socket.resetAndDestroy())
    const response = await get('/sessions?offset=-1')
    expect(response.status).toBe(502)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(electric.seen).toHaveLength(2)
  })

  test('returns 502 when the engine can’t be reached', async () => {
    const nobody = await listen(() => {})
    await nobody.close()
    await start({ electricUrl: nobody.url })
    const response = await get('/sessions?offset=-1')
    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain(nobody.url)
    expect(log[0]?.reason).toContain('ECONNREFUSED')
    expect(JSON.stringify(log)).not.toContain(SECRET)
  })

  test('returns 503 without details when a shape’s rows() throws', async () => {
    const broken = defineShape({
      table: 'notes',
      columns: { id: column('id', 'text') },
      rows: () => {
        throw new Error(SECRET)
      },
    })
    await start({ shapes: { broken } })
    const response = await get('/broken?offset=-1')
    expect(response.status).toBe(503)
    expect((await response.text()) + JSON.stringify(log)).not.toContain(SECRET)
  })
})

test('logs principal and shape of each request, and ignores the logger’s exceptions', async () => {
  await start({
    logger: (entry) => {
      log.push(entry)
      throw new Error('disk full')
    },
  })
  expect((await get('/sessions?offset=-1')).status).toBe(200)
  expect(log).toEqual([
    {
      method: 'GET',
      shape: 'sessions',
      principal: ann,
      live: false,
      status: 200,
      durationMs: expect.any(Number),
      authenticateMs: expect.any(Number),
      upstreamMs: expect.any(Number),
    },
  ])
})

describe('reports faults of the server to onError', () => {
  const messages = () => faults.map((error) => (error as Error).message)

  test.each([
    [
      401,
      '',
      /^Shape proxy: Electric at 127\.0\.0\.1:\d+ refused the secret \(401\)\. Set ELECTRIC_SECRET/,
    ],
    [404, '', /no Electric at 127\.0\.0\.1:\d+ \(404\).*without \/v1\/shape/],
    [500, '', /Electric at \S+ responded with status 500\. Its log/],
    [503, '', /Electric at \S+ is not ready \(503\)/],
    [
      400,
      JSON.stringify({ errors: { table: ['Table "public"."sessions" does not exist'] } }),
      /run `session-db migrate`, and make sure that Electric and the app use the same DATABASE_URL/,
    ],
  ])('with a sentence for status %i', async (status, body, message) => {
    await start()
    electric.answerWith((_request, response) => response.writeHead(status).end(body))
    await get('/sessions?offset=-1')
    expect(messages()).toEqual([expect.stringMatching(message)])
    expect(JSON.stringify(messages())).not.toContain(SECRET)
  })

  test('with a sentence for an engine that can’t be reached, once a minute', async () => {
    const nobody = await listen(() => {})
    await nobody.close()
    await start({ electricUrl: nobody.url })
    for (const shape of ['sessions', 'sessions', 'thread-messages?threadId=t']) {
      await get(`/${shape}${shape.includes('?') ? '&' : '?'}offset=-1`)
    }
    expect(messages()).toEqual([
      expect.stringMatching(
        /Electric at 127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*\)\. Start it, or correct ELECTRIC_URL/,
      ),
    ])
  })

  test('with the exception of authenticate or of a shape', async () => {
    const failure = new Error('LDAP is down')
    await start({ authenticate: () => Promise.reject(failure) })
    expect((await get('/sessions?offset=-1')).status).toBe(401)
    expect(faults).toEqual([failure])
  })

  test('on the console by default, and never for refusals of clients', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {})
    electric.answerWith((_request, response) => response.writeHead(500).end())
    app = await serve(createShapeProxy({ electricUrl: electric.url, authenticate: () => ann }))
    await get('/nothing?offset=-1')
    await get('/sessions?offset=-1&table=x')
    expect(written).not.toHaveBeenCalled()
    await get('/sessions?offset=-1')
    expect(written.mock.calls).toEqual([[expect.objectContaining({ message: expect.any(String) })]])
    written.mockRestore()
  })
})

test.each(['', 'electric:3000', 'postgres://x/y', 'http://user:pw@electric:3000'])(
  'electricUrl %j is refused when the proxy is created',
  async (electricUrl) => {
    await start()
    expect(() => createShapeProxy({ electricUrl, authenticate: () => ann })).toThrow(/electricUrl/)
  },
)
