import { afterEach, expect, test } from 'vitest'
import { type HttpListener, listen } from '../../../src/dev/shape-server/http-listener.ts'
import { until } from './fixture.ts'

let listener: HttpListener

afterEach(() => listener?.close())

function streamOf(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
      controller.close()
    },
  })
}

test('a body goes out whole and chunked, however many pieces it came in', async () => {
  const bodies: Record<string, BodyInit | null> = {
    '/text': '[“é”]',
    '/empty': '',
    '/none': null,
    '/one': streamOf('["one piece"]'),
    '/many': streamOf('["a",', '"b",', '"é"]'),
  }
  listener = await listen(async (request) => {
    return new Response(bodies[new URL(request.url).pathname] ?? null)
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
    ['/one', null, '["one piece"]'],
    ['/many', null, '["a","b","é"]'],
  ])
})

test('events are sent as they come', async () => {
  let send: ((text: string) => void) | undefined
  listener = await listen(async () => {
    const body = new ReadableStream({
      start(controller) {
        send = (text) => controller.enqueue(new TextEncoder().encode(text))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
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

test('a client that goes while its body is made leaves the server whole', async () => {
  let gone = 0
  let finish: (() => void) | undefined
  listener = await listen(async ({ url, signal }) => {
    if (!url.endsWith('/slow')) return new Response('here')
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new Uint8Array(1000))
        await new Promise<void>((resolve) => {
          finish = resolve
          signal.addEventListener('abort', () => {
            gone += 1
          })
        })
        controller.close()
      },
    })
    return new Response(body)
  })
  const abort = new AbortController()
  const slow = fetch(`${listener.url}/slow`, { signal: abort.signal })
  await until('the body is being made', () => finish !== undefined)
  abort.abort()
  await expect(slow).rejects.toThrow('abort')
  await until('the server knows', () => gone === 1)
  finish?.()
  expect(await (await fetch(listener.url)).text()).toBe('here')
})
