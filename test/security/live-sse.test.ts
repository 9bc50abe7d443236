import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Principal } from '../../src/schema/principal.ts'
import { createShapeProxy } from '../../src/server/index.ts'
import { type FakeElectric, startFakeElectric } from '../unit/proxy/fake-electric.ts'
import { type Served, serve } from '../unit/proxy/serve.ts'

let electric: FakeElectric
let app: Served
let principal: Principal | null
let engine: ServerResponse | undefined

beforeEach(async () => {
  principal = { tenantId: 't1', userId: 'ann', groups: ['team:a'] }
  electric = await startFakeElectric()
  app = await serve(
    createShapeProxy({ electricUrl: electric.url, authenticate: () => principal, onError() {} }),
  )
  electric.answerWith((_, response) => {
    engine = response
    response.writeHead(200, { 'content-type': 'text/event-stream', 'electric-handle': 'h1' })
    response.write('data: first\n\n')
  })
})
afterEach(async () => {
  engine?.end()
  await app.close()
  await electric.close()
})

/** Opens a stream of events and reads the first one. */
async function open(): Promise<ReadableStreamDefaultReader<string>> {
  const query = 'live=true&live_sse=true&offset=0_0&handle=h1'
  const response = await fetch(`${app.url}/api/shapes/sessions?${query}`)
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>)
    .pipeThrough(new TextDecoderStream())
    .getReader()
  expect(response.status).toBe(200)
  expect(await reader.read()).toEqual({ done: false, value: 'data: first\n\n' })
  return reader
}

test('a stream of events goes on while the client may see the shape', async () => {
  const reader = await open()
  engine?.write('data: second\n\n')
  expect((await reader.read()).value).toBe('data: second\n\n')
})

test.each<[string, Principal | null]>([
  ['signed out', null],
  ['removed from the group', { tenantId: 't1', userId: 'ann', groups: [] }],
  ['moved to another tenant', { tenantId: 't2', userId: 'ann', groups: ['team:a'] }],
])('a client that was %s receives no further event, and the stream ends', async (_, after) => {
  const reader = await open()
  principal = after
  engine?.write('data: secret\n\n')
  expect(await reader.read()).toEqual({ done: true, value: undefined })
  // The request to the engine ends too.
  await expect.poll(() => engine?.destroyed).toBe(true)
})
