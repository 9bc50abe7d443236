import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import type { AnswerBody, ProtocolAnswer } from '../../../src/dev/protocol/responses.ts'
import { type HttpListener, listen } from '../../../src/dev/shape-server/http-listener.ts'
import { until } from './fixture.ts'

let listener: HttpListener

afterEach(() => listener?.close())

const here: ProtocolAnswer = { status: 200, headers: new Map(), body: 'here' }

test('sends a body in chunks unless its length is given', async () => {
  const bodies: Record<string, AnswerBody> = {
    '/text': '[“é”]',
    '/empty': '',
    '/none': null,
    '/bytes': new TextEncoder().encode('["é"]'),
    '/sized': 'length',
  }
  listener = await listen(async ({ url }) => {
    const { pathname } = new URL(url)
    const headers = new Map(pathname === '/sized' ? [['content-length', '6']] : [])
    return { status: 200, headers, body: bodies[pathname] ?? null }
  })
  const answers = await Promise.all(
    Object.keys(bodies).map(async (path) => {
      const response = await fetch(listener.url + path)
      return [path, response.headers.get('content-length'), await response.text()]
    }),
  )
  expect(answers).toEqual([
    ['/text', null, '[“é”]'],
    ['/empty', null, ''],
    ['/none', '0', ''],
    ['/bytes', null, '["é"]'],
    ['/sized', '6', 'length'],
  ])
})

test('sends events as they come', async () => {
  let send: ((text: string) => void) | undefined
  listener = await listen(async () => {
    const body = new ReadableStream({
      start(controller) {
        send = (text) => controller.enqueue(new TextEncoder().encode(text))
      },
    })
    return { status: 200, headers: new Map([['content-type', 'text/event-stream']]), body }
  })
  const response = await fetch(listener.url)
  expect(response.headers.get('content-length')).toBeNull()
  const reader = response.body?.getReader()
  for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
    send?.(text)
    const event = await reader?.read()
    expect(new TextDecoder().decode(event?.value)).toBe(text)
  }
  await reader?.cancel()
})

test('ends the stream of a client that disconnects while waiting, and serves the next one', async () => {
  const gone: string[] = []
  let finish: (() => void) | undefined
  listener = await listen(async ({ url, signal }) => {
    if (!url.endsWith('/slow')) return here
    await new Promise<void>((resolve) => {
      finish = resolve
      signal.addEventListener('abort', () => gone.push('request'))
    })
    const body = new ReadableStream({ cancel: () => void gone.push('stream') })
    return { ...here, body }
  })
  const abort = new AbortController()
  const slow = fetch(`${listener.url}/slow`, { signal: abort.signal })
  await until('the request waits', () => finish !== undefined)
  abort.abort()
  await expect(slow).rejects.toThrow('abort')
  await until('the server knows', () => gone.length === 1)
  finish?.()
  await until('the stream has ended', () => gone.length === 2)
  expect(gone).toEqual(['request', 'stream'])
  expect(await (await fetch(listener.url)).text()).toBe('here')
})

test.each([
  [{ origin: 'https://evil.example' }],
  [{ origin: 'http://localhost.evil.example' }],
  [{ origin: 'null' }],
  // A name of a website that resolves to 127.0.0.1 (DNS rebinding): the browser sends no origin then.
  [{ host: 'evil.example' }],
])('refuses a website with the headers %j', async (headers) => {
  let calls = 0
  listener = await listen(async () => {
    calls += 1
    return here
  })
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const refused = await send(method, headers)
    expect(refused.status).toBe(403)
    expect(Object.keys(refused.headers).filter((name) => name.startsWith('access-'))).toEqual([])
    expect(refused.body).toContain('loopback')
  }
  expect(calls).toBe(0)
})

test.each([
  [{}],
  [{ origin: 'http://localhost:3000' }],
  [{ origin: 'https://app.localhost' }],
  [{ origin: 'http://127.0.0.1:8080' }],
  [{ origin: 'http://[::1]:8080', host: 'localhost:1' }],
])('serves clients and pages of this machine, with the headers %j', async (headers) => {
  listener = await listen(async () => here)
  expect((await send('GET', headers)).body).toBe('here')
})

test('serves the origins that the caller allows', async () => {
  const allowOrigin = (origin: string) => origin === 'https://app.example'
  listener = await listen(async () => here, { allowOrigin })
  expect((await send('GET', { origin: 'https://app.example' })).status).toBe(200)
  expect((await send('GET', { origin: 'http://localhost' })).status).toBe(403)
})

/** Sends a request with headers that `fetch` would not. */
function send(method: string, headers: Record<string, string>) {
  return new Promise<{ status: number; headers: object; body: string }>((resolve, reject) => {
    const sent = request(listener.url, { method, headers }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
    })
    sent.on('error', reject).end()
  })
}
