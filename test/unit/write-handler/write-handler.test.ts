import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Principal } from '../../../src/schema/principal.ts'
import {
  createWriteHandler,
  runWrite,
  type WriteHandlerOptions,
} from '../../../src/server/write-handler.ts'
import { sendBatch, sendBatches } from '../../../src/writes/adapter.ts'
import { parseWriteBatch, type WriteBatchInput } from '../../../src/writes/batch.ts'
import { SessionDbError } from '../../../src/writes/errors.ts'
import { createHttpWriteAdapter } from '../../../src/writes/http-adapter.ts'
import { type Served, serve } from '../proxy/serve.ts'

const ann = { tenantId: 't1', userId: 'ann' }
const batch: WriteBatchInput = {
  id: 'b1',
  mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }],
}
const result = {
  batchId: 'b1',
  txid: 7,
  mutations: [{ collection: 'sessions', type: 'delete', id: 's1', version: null }],
} as const

let app: Served
let written: { principal: Principal; batch: WriteBatchInput }[]
let reported: unknown[]

async function start(options: Partial<WriteHandlerOptions> = {}): Promise<void> {
  const store = {
    write: async (principal: Principal, input: WriteBatchInput) => {
      const parsed = parseWriteBatch(input)
      written.push({ principal, batch: parsed })
      return { ...result, mutations: [...result.mutations] }
    },
  }
  app = await serve(
    createWriteHandler({
      store,
      authenticate: () => ann,
      onError: (error) => reported.push(error),
      ...options,
    }),
  )
}

beforeEach(() => {
  written = []
  reported = []
})
afterEach(() => app.close())

function post(body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  const type = { 'content-type': 'application/json', ...headers }
  return fetch(app.url, { method: 'POST', body, headers: type, duplex: 'half' } as RequestInit)
}

async function refused(
  answer: Promise<Response>,
): Promise<{ status: number; code: string; message: string }> {
  const response = await answer
  const { error } = await response.json()
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(written).toEqual([])
  return { status: response.status, code: error.code, message: error.message }
}

test('applies a batch sent by the HTTP write adapter for the principal', async () => {
  await start()
  await expect(sendBatch(createHttpWriteAdapter({ url: app.url }), batch)).resolves.toEqual(result)
  expect(written).toEqual([{ principal: ann, batch }])
})

describe('refuses a request', () => {
  test('with 405 when it is not POST', async () => {
    await start()
    const response = await fetch(app.url)
    expect(response.headers.get('allow')).toBe('POST')
    expect(await refused(Promise.resolve(response))).toMatchObject({ status: 405, code: 'invalid' })
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
    'application/json; charset=utf-16',
    'text/plain; application/json',
  ])('with 415 as %s', async (type) => {
    await start()
    const answer = refused(post(JSON.stringify(batch), { 'content-type': type }))
    expect(await answer).toMatchObject({ status: 415, code: 'invalid' })
  })

  test('with 401 without a principal', async () => {
    await start({ authenticate: () => null })
    expect(await refused(post(JSON.stringify(batch)))).toMatchObject({
      status: 401,
      code: 'unauthenticated',
    })
  })

  test.each([
    ['{"id": nope}', 1, 8],
    ['{\n  "id": "b1",\n  "mutations": [,]\n}', 3, 17],
    ['{"id": "b1"', 1, 12],
    ['', 1, 1],
    ['{"id": "b1"} extra', 1, 14],
  ])('with 400 when %j is not JSON', async (body, line, column) => {
    await start()
    const answer = await refused(post(body))
    expect(answer).toMatchObject({ status: 400, code: 'invalid' })
    expect(answer.message).toContain(`line ${line}, column ${column}`)
  })

  test('with 400 when the body is not UTF-8', async () => {
    await start()
    const answer = await refused(post(new Uint8Array([0x22, 0xff, 0x22])))
    expect(answer).toEqual({ status: 400, code: 'invalid', message: 'The body is not UTF-8.' })
  })

  test('with 400 and the field of an invalid batch', async () => {
    await start()
    const extra = { ...batch, mutations: [{ ...batch.mutations[0], sql: 'DROP' }] }
    const answer = await refused(post(JSON.stringify(extra)))
    expect(answer).toMatchObject({ status: 400, code: 'invalid' })
    expect(answer.message).toContain('mutations[0]')
  })

  test('with 413 when its content length is too large', async () => {
    await start({ maxBodyBytes: 100 })
    const answer = await refused(post(JSON.stringify({ id: 'x'.repeat(100) })))
    expect(answer).toMatchObject({ status: 413, code: 'too_large' })
  })

  test('with 413 once it is too large, without reading the rest', async () => {
    await start({ maxBodyBytes: 100 })
    let pulled = 0
    const endless = new ReadableStream({
      pull: (controller) => {
        pulled += 1
        controller.enqueue(new TextEncoder().encode('x'.repeat(1_000)))
      },
    })
    const handle = createWriteHandler({
      store: { write: () => Promise.reject(new Error('must not be called')) },
      authenticate: () => ann,
      maxBodyBytes: 100,
    })
    const request = new Request('http://app.test', {
      method: 'POST',
      body: endless,
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
    } as RequestInit)
    expect(await refused(handle(request))).toMatchObject({ status: 413, code: 'too_large' })
    expect(pulled).toBeLessThan(5)
  })

  test.each([
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ])('with 403 from another site: %o', async (headers) => {
    await start()
    const handled = refused(post(JSON.stringify(batch), headers))
    expect(await handled).toMatchObject({ status: 403, code: 'forbidden' })
  })
})

test.each([
  [{ 'sec-fetch-site': 'same-origin' }],
  [{ 'sec-fetch-site': 'none' }],
  [{ origin: 'https://admin.example', 'sec-fetch-site': 'cross-site' }],
])('accepts the app’s own site and allowed origins: %o', async (headers) => {
  await start({ allowedOrigins: ['https://admin.example'] })
  expect((await post(JSON.stringify(batch), headers)).status).toBe(200)
})

test('accepts the app’s own host', async () => {
  await start()
  const own = { origin: app.url }
  expect((await post(JSON.stringify(batch), own)).status).toBe(200)
})

test.each([
  ['forbidden', 403],
  ['not_found', 404],
  ['invalid', 400],
  ['conflict', 409],
  ['too_large', 413],
  ['rate_limited', 429],
  ['unavailable', 503],
] as const)("responds to the store's %s with %i", async (code, status) => {
  const error = new SessionDbError(code, 'Because.', { details: { id: 's1' } })
  await start({ store: { write: () => Promise.reject(error) } })
  const response = await post(JSON.stringify(batch))
  expect(response.status).toBe(status)
  expect(await response.json()).toEqual({
    error: { code, message: 'Because.', details: { id: 's1' } },
  })
  expect(reported).toEqual([])
})

test('reports an unexpected error without showing it to the client', async () => {
  const error = new Error('connect ECONNREFUSED db.internal pw=hunter2')
  await start({ store: { write: () => Promise.reject(error) } })
  const response = await post(JSON.stringify(batch))
  expect(response.status).toBe(503)
  expect(await response.text()).not.toMatch(/hunter2|db\.internal/)
  expect(reported).toEqual([error])
})

test('reports an error of the app’s authentication that hides its cause', async () => {
  const cause = new Error('LDAP is down')
  const hiding = new SessionDbError('unavailable', 'Sign-in does not work just now.', { cause })
  const plain = new SessionDbError('rate_limited', 'Too many sign-ins.')
  for (const error of [hiding, plain]) {
    await start({ authenticate: () => Promise.reject(error) })
    expect((await post(JSON.stringify(batch))).status).toBe(error.status)
    if (error === hiding) await app.close()
  }
  expect(reported).toEqual([hiding])
})

test('runWrite returns a failure and does not throw, even when onError throws', async () => {
  await start()
  const outcome = await runWrite({ write: () => Promise.reject(new Error('boom')) }, ann, batch, {
    onError: () => {
      throw new Error('disk full')
    },
  })
  expect(outcome).toMatchObject({ error: { code: 'unavailable' } })
})

test('failures go to the console unless onError is given, refusals do not', async () => {
  const written = vi.spyOn(console, 'error').mockImplementation(() => {})
  await start()
  const failing = (error: unknown) => ({ write: () => Promise.reject(error) })
  await runWrite(failing(new SessionDbError('forbidden', 'No.')), ann, batch)
  await runWrite(failing(new SessionDbError('conflict', 'Taken.', { cause: 1 })), ann, batch)
  expect(written).not.toHaveBeenCalled()
  const boom = new Error('boom')
  await runWrite(failing(boom), ann, batch)
  const down = new SessionDbError('unavailable', 'Down.', { cause: boom })
  const handle = createWriteHandler({ store: failing(down), authenticate: () => ann })
  await handle(
    new Request('http://app.test', {
      method: 'POST',
      body: JSON.stringify(batch),
      headers: { 'content-type': 'application/json' },
    }),
  )
  expect(written.mock.calls).toEqual([[boom], [down]])
  written.mockRestore()
})

describe('a list of batches', () => {
  test('is applied in order and answered with one outcome each', async () => {
    await start()
    const batches = ['b1', 'b2', 'b3'].map((id) => ({ ...batch, id }))
    const answers = await sendBatches(createHttpWriteAdapter({ url: app.url }), [
      batches[0] as WriteBatchInput,
      { id: 'bad', mutations: [] },
      batches[2] as WriteBatchInput,
    ])
    expect(answers).toEqual([result, expect.any(SessionDbError), result])
    expect(answers[1]).toMatchObject({ code: 'invalid' })
    expect(written.map((each) => each.batch.id)).toEqual(['b1', 'b3'])
  })

  test('of more than 500 is refused from the 501st on', async () => {
    await start()
    const batches = Array.from({ length: 502 }, (_, n) => ({ ...batch, id: `b${n}` }))
    const answers = await sendBatches(createHttpWriteAdapter({ url: app.url }), batches)
    expect(written).toHaveLength(500)
    expect(answers.slice(500)).toMatchObject([{ code: 'too_large' }, { code: 'too_large' }])
  })

  test('needs a principal', async () => {
    await start({ authenticate: () => null })
    const adapter = createHttpWriteAdapter({ url: app.url })
    await expect(sendBatches(adapter, [batch, batch])).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    expect(written).toEqual([])
  })
})
