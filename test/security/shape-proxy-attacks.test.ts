import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createShapeProxy } from '../../src/server/proxy/shape-proxy.ts'
import { type FakeElectric, startFakeElectric } from '../unit/proxy/fake-electric.ts'
import { type Served, serve } from '../unit/proxy/serve.ts'
import { type AppPrincipal, appShapes } from './support/app-shapes.ts'
import { parameter } from './support/requests.ts'

const SECRET = 'keep-this-to-yourself'
const ann = { tenantId: 't1', userId: 'ann', isAdmin: false }

let electric: FakeElectric
let app: Served

beforeAll(async () => {
  electric = await startFakeElectric()
  app = await serve(
    createShapeProxy<AppPrincipal>({
      electricUrl: electric.url,
      secret: SECRET,
      shapes: appShapes,
      authenticate: () => ann,
      limits: false,
    }),
  )
})

beforeEach(() => {
  electric.seen.length = 0
})

afterAll(async () => {
  await app.close()
  await electric.close()
})

/** Sends the path unchanged; `fetch` would normalise it. */
function send(
  unencoded: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string; headers: string }> {
  const path = unencoded.replace(/[^\x20-\x7e]+/gu, encodeURIComponent)
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${app.url}/`, { path, headers }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => {
        const text = JSON.stringify(response.headers)
        resolve({ status: response.statusCode ?? 0, body, headers: text })
      })
    })
    request.on('error', reject)
    request.end()
  })
}

const shapeUrls = Object.keys(appShapes).map((name) => {
  const own = parameter(name, 'x')
  return [name, `/api/shapes/${name}?${own === '' ? '' : `${own}&`}offset=-1`] as const
})

const forbiddenParameters = [
  'table=users',
  'table=pg_catalog.pg_authid',
  'Table=users',
  'where=1%3D1',
  'where=1=1)%20OR%20(1=1',
  'columns=id,content_ref',
  'queryable_columns=content_ref',
  'params[1]=t2',
  'params%5B1%5D=t2',
  'params=["t2"]',
  'params.1=t2',
  'replica=full',
  'secret=x',
  'api_secret=x',
  'source_id=other',
  'offset=0_0',
  'offset=-1',
  '%6fffset=0_0',
  'offset[]=0_0',
  'offset[0]=0_0',
  'subset__where=content_ref%20IS%20NOT%20NULL',
  'subset__params={"1":"x"}',
  'subset__limit=1',
  'subset__order_by=content_ref',
  'subset__where_expr={}',
  'tenant_id=t2',
  'tenantId=t2',
  'userId=bob',
  '__proto__=x',
  '__proto__[tenantId]=t2',
  'constructor=x',
  'prototype=x',
  'toString=x',
  'hasOwnProperty=x',
  '%00=x',
  '=x',
  '&',
  'ｔable=x',
  'handle=%ff',
  'handle=%E0%A4',
  'handle=%',
  `handle=${'h'.repeat(9_000)}`,
  `${'n'.repeat(65)}=x`,
]

describe.each(shapeUrls)('%s', (_name, url) => {
  test('serves the honest request', async () => {
    expect((await send(url)).status).toBe(200)
    expect(electric.seen).toHaveLength(1)
  })

  test.each(forbiddenParameters)('refuses %s without a request to the engine', async (extra) => {
    const answer = await send(`${url}&${extra}`)
    expect(answer.status, answer.body).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'invalid' } })
    expect(electric.seen).toEqual([])
  })
})

describe('paths that name no shape', () => {
  test.each([
    '/',
    '/api/shapes/',
    '/api/shapes/sessions/',
    '/api/shapes//sessions',
    '//sessions',
    '/api/shapes/%73essions',
    '/api/shapes/sessions%00',
    '/api/shapes/sessions%2f',
    '/api%2fshapes/sessions',
    '/api/shapes/%2e%2e%2fsessions',
    '/api/%252e%252e/sessions',
    '/api/shapes/..%5csessions',
    '/api/shapes/Sessions',
    '/api/shapes/SESSIONS',
    '/api/shapes/ſessions',
    '/api/shapes/sessiоns',
    '/api/shapes/sessions;x=1',
    '/api/shapes/sessions.json',
    '/api/shapes/v1/shape',
    '/api/shapes/chat_messages',
    '/api/shapes/__proto__',
    '/api/shapes/constructor',
    '/api/shapes/toString',
    '/api/shapes/hasOwnProperty',
    `/api/shapes/${'s'.repeat(5_000)}`,
  ])('%s gets 404', async (path) => {
    const answer = await send(`${path}?offset=-1`)
    expect(answer.status, answer.body).toBe(404)
    expect(electric.seen).toEqual([])
  })
})

describe('parameters are values, never SQL', () => {
  test.each([
    "x' OR '1'='1",
    '1=1) OR (1=1',
    '$2',
    '"; DROP TABLE sessions; --',
    'x) OR visibility = $4 --',
    '%',
    '*',
    'x\u202eabc',
    '../t2',
  ])('%s', async (sessionId) => {
    const plain = await send('/session-threads?offset=-1&sessionId=x')
    const answer = await send(
      `/session-threads?offset=-1&sessionId=${encodeURIComponent(sessionId)}`,
    )
    expect([plain.status, answer.status]).toEqual([200, 200])
    const [honest, attack] = electric.seen.map(({ query }) => Object.fromEntries(query))
    expect(attack).toEqual({ ...honest, 'params[2]': sessionId, 'params[3]': sessionId })
  })

  test.each([
    ['nothing', ''],
    ['an empty id', '&sessionId='],
    ['an id that is too long', `&sessionId=${'x'.repeat(129)}`],
    ['U+0000', '&sessionId=a%00b'],
    ['two ids', '&sessionId=a&sessionId=b'],
    ['the parameter of another shape', '&sessionId=a&threadId=b'],
  ])('%s is refused', async (_name, parameters) => {
    const answer = await send(`/session-threads?offset=-1${parameters}`)
    expect(answer.status).toBe(400)
    expect(electric.seen).toEqual([])
  })
})

describe('headers', () => {
  test('of the client neither change the principal nor reach the engine', async () => {
    const honest = await send('/sessions?offset=-1')
    const attack = await send('/sessions?offset=-1', {
      'x-tenant-id': 't2',
      'x-forwarded-host': 'evil.example',
      'x-http-method-override': 'DELETE',
      'x-original-url': '/v1/shape?table=users',
      'electric-handle': '9-9',
      'transfer-encoding': 'chunked',
      authorization: `Bearer ${SECRET}`,
    })
    expect(attack).toEqual({ ...honest, headers: expect.any(String) })
    const [first, second] = electric.seen
    expect(second?.query).toEqual(first?.query)
    expect(second?.headers).toEqual(first?.headers)
  })
})

test('no refusal contains the secret, the engine or the principal', async () => {
  const answers = await Promise.all([
    ...forbiddenParameters.map((extra) => send(`/sessions?offset=-1&${extra}`)),
    send('/nothing'),
    send('/session-threads'),
  ])
  const all = answers.map(({ body, headers }) => body + headers).join('\n')
  expect(all).not.toContain(SECRET)
  expect(all).not.toContain(electric.url)
  expect(all).not.toMatch(/"t1"|ann|tenant_id" =/)
})
