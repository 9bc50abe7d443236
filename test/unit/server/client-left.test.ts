import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  createShapeProxy,
  createUploadHandler,
  createWriteHandler,
  type SessionStore,
} from '../../../src/server/index.ts'
import { type FakeElectric, startFakeElectric } from '../proxy/fake-electric.ts'

// Servers print an error that a handler throws, or that its body ends with.

let electric: FakeElectric
const onError = vi.fn()
const authenticate = () => ({ tenantId: 't1', userId: 'ann' })

beforeEach(async () => {
  onError.mockClear()
  electric = await startFakeElectric()
})
afterEach(() => electric.close())

const LIVE = 'audience=user%3Aann&offset=0_0&handle=h1&live=true'

test.each([
  ['a snapshot', 'sessions?audience=user%3Aann&offset=-1', undefined],
  ['a stream of events', `sessions?${LIVE}&live_sse=true`, undefined],
  ['a batch', '_live', { polls: [{ shape: 'sessions', query: LIVE }] }],
])('the body of %s ends without an error', async (_what, path, body) => {
  electric.answerWith(({ query }, response) => {
    if (query.get('live') !== 'true' || query.has('live_sse')) response.writeHead(200).write('[')
  })
  const serve = createShapeProxy({ electricUrl: electric.url, authenticate, onError })
  const client = new AbortController()
  const response = await serve(
    new Request(`http://app.test/api/shapes/${path}`, {
      signal: client.signal,
      ...(body && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    }),
  )
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  client.abort()
  expect(await reader.read()).toEqual({ done: true, value: undefined })
  expect(onError).not.toHaveBeenCalled()
})

/** Creates a request whose client disconnects after the first bytes of its body. */
function leaving(url: string, init: RequestInit): Request {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{')),
    pull: (controller) =>
      controller.error(Object.assign(new Error('aborted'), { code: 'ECONNRESET' })),
  })
  return new Request(url, { ...init, body, duplex: 'half' } as RequestInit)
}

test('a write whose body breaks off is not reported', async () => {
  const serve = createWriteHandler({ store: {} as SessionStore, authenticate, onError })
  const headers = { 'content-type': 'application/json' }
  const response = await serve(leaving('http://app.test/api/write', { method: 'POST', headers }))
  expect(response.status).toBe(503)
  expect(onError).not.toHaveBeenCalled()
})

test('an upload whose body breaks off is not reported', async () => {
  const store = {
    async uploadContent(_principal: unknown, _id: string, content: AsyncIterable<Uint8Array>) {
      for await (const _chunk of content);
    },
  } as unknown as SessionStore
  const serve = createUploadHandler({ store, authenticate, onError })
  const headers = { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
  const response = await serve(
    leaving('http://app.test/api/uploads/s1', { method: 'PATCH', headers }),
  )
  expect(response.status).toBe(503)
  expect(onError).not.toHaveBeenCalled()
})
