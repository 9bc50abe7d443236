import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createNodeFetch } from '../../../src/server/proxy/node-fetch.ts'
import { listen } from './serve.ts'

async function serveOnce(handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = await listen(handler)
  onTestFinished(() => server.close())
  return server.url
}

describe('node fetch', () => {
  test('sends method, headers and body, and returns status, headers and body', async () => {
    const url = await serveOnce(async (request, response) => {
      const body = (await request.toArray()).join('')
      response.writeHead(201, [
        ['x-two', 'a'],
        ['x-two', 'b'],
        ['x-asked', `${request.method} ${request.url} ${request.headers['x-given']} ${body}`],
      ] as never)
      response.end('answer')
    })
    const response = await createNodeFetch()(new URL(`${url}/a?b=c`), {
      method: 'POST',
      headers: { 'x-given': 'given' },
      body: 'text',
    })
    expect(response.status).toBe(201)
    expect(response.headers.get('x-two')).toBe('a, b')
    expect(response.headers.get('x-asked')).toBe('POST /a?b=c given text')
    expect(await response.text()).toBe('answer')
  })

  test('passes on each chunk as it arrives', async () => {
    let more = (_piece: string) => {}
    const url = await serveOnce((_request, response) => {
      more = (piece) => void response.write(piece)
      more('one')
    })
    const response = await createNodeFetch()(url)
    const reader = response.body?.getReader()
    const read = async () => new TextDecoder().decode((await reader?.read())?.value)
    expect(await read()).toBe('one')
    more('two')
    expect(await read()).toBe('two')
    await reader?.cancel()
  })

  test('reads a large body completely', async () => {
    const size = 20_000_000
    const url = await serveOnce((_request, response) => response.end(Buffer.alloc(size, 'x')))
    const response = await createNodeFetch()(url)
    expect((await response.arrayBuffer()).byteLength).toBe(size)
  })

  test('pauses the connection when the body is not read', async () => {
    let sent = 0
    const url = await serveOnce((_request, response) => {
      const piece = Buffer.alloc(100_000)
      const send = () => {
        while (response.write(piece)) sent += piece.length
        response.once('drain', send)
        // Once nothing has drained for this long, the network's buffers are full.
        clearTimeout(quiet)
        quiet = setTimeout(full, 300)
      }
      let quiet = setTimeout(full, 300)
      send()
    })
    let full = () => {}
    const filled = new Promise<void>((resolve) => {
      full = resolve
    })
    const response = await createNodeFetch()(url)
    await filled
    expect(sent).toBeLessThan(50_000_000)
    await response.body?.cancel()
  })

  test.each([304, 204])('returns no body for %i', async (status) => {
    const url = await serveOnce((_request, response) => response.writeHead(status).end())
    const response = await createNodeFetch()(url)
    expect([response.status, response.body]).toEqual([status, null])
  })

  test('aborts the request with its signal, before and during the response', async () => {
    const gone: Promise<unknown>[] = []
    const url = await serveOnce((request, response) => {
      gone.push(once(response, 'close'))
      if (request.url === '/begun') response.write('begun')
      else waiting.abort()
    })
    const [waiting, begun] = [new AbortController(), new AbortController()]
    const fetchNow = createNodeFetch()
    await expect(fetchNow(url, { signal: waiting.signal })).rejects.toThrow(/abort/i)
    const response = await fetchNow(`${url}/begun`, { signal: begun.signal })
    begun.abort()
    await expect(response.text()).rejects.toThrow()
    await Promise.all(gone)
    expect(gone).toHaveLength(2)
  })

  test('rejects when the connection breaks during the response or can’t be made', async () => {
    const url = await serveOnce((_request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.destroy())
    })
    await expect((await createNodeFetch()(url)).text()).rejects.toThrow()
    const server = await listen(() => {})
    await server.close()
    await expect(createNodeFetch()(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('keeps a header’s bytes unchanged', async () => {
    const schema = '{"größe":{"type":"λόγος"}}'
    const bytes = Buffer.from(schema).toString('latin1')
    const url = await serveOnce((_request, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.writeHead(200, { 'electric-schema': bytes }).end()
    })
    const { status, headers } = await createNodeFetch()(url)
    expect(status).toBe(200)
    expect(headers.get('electric-schema')).toBe(bytes)
  })
})

describe('connections of node fetch', () => {
  /** Starts a server that answers on command and counts its open connections. */
  async function serveConnections() {
    const open = new Set<Socket>()
    const waiting: ServerResponse[] = []
    const url = await serveOnce((request, response) => {
      open.add(request.socket)
      request.socket.once('close', () => open.delete(request.socket))
      if (request.url === '/last') response.setHeader('connection', 'close')
      if (request.url === '/wait') waiting.push(response)
      else response.end('answer')
    })
    return { url, open, waiting }
  }

  test('are reused for consecutive requests', async () => {
    const { url, open } = await serveConnections()
    const fetchNow = createNodeFetch()
    for (let n = 0; n < 5; n++) expect(await (await fetchNow(url)).text()).toBe('answer')
    expect(open.size).toBe(1)
  })

  test('are one per waiting request, and are reused once it is answered', async () => {
    const { url, open, waiting } = await serveConnections()
    const fetchNow = createNodeFetch()
    const ask = (path: string) => Array.from({ length: 20 }, () => fetchNow(`${url}${path}`))
    const asked = ask('/wait')
    await expect.poll(() => waiting.length).toBe(20)
    for (const response of waiting) response.end()
    for (const response of await Promise.all(asked)) await response.text()
    for (const response of await Promise.all(ask('/'))) await response.text()
    expect(open.size).toBe(20)
  })

  test.each(['', '/last'])('are reopened after the server has closed them %s', async (path) => {
    const { url, open } = await serveConnections()
    const fetchNow = createNodeFetch()
    await (await fetchNow(`${url}${path}`)).text()
    for (const socket of open) socket.destroy()
    await expect.poll(() => open.size).toBe(0)
    expect(await (await fetchNow(url)).text()).toBe('answer')
    expect(open.size).toBe(1)
  })

  test('are not affected by aborting an earlier, completed request', async () => {
    const { url, waiting } = await serveConnections()
    const fetchNow = createNodeFetch()
    const before = new AbortController()
    await (await fetchNow(url, { signal: before.signal })).text()
    const asked = fetchNow(`${url}/wait`)
    await expect.poll(() => waiting.length).toBe(1)
    before.abort()
    waiting[0]?.end('for another')
    expect(await (await asked).text()).toBe('for another')
  })

  test.each(['immediately', 'later'])(
    'survive the cancellation of a complete body %s',
    async (when) => {
      const { url, open, waiting } = await serveConnections()
      const fetchNow = createNodeFetch()
      const before = await fetchNow(url)
      if (when === 'immediately') await before.body?.cancel()
      const asked = fetchNow(`${url}/wait`)
      await expect.poll(() => waiting.length).toBe(1)
      if (when === 'later') await before.body?.cancel()
      waiting[0]?.end('for another')
      expect(await (await asked).text()).toBe('for another')
      expect(open.size).toBe(1)
    },
  )

  test('are not reused when a body was cancelled', async () => {
    const { url, open, waiting } = await serveConnections()
    const fetchNow = createNodeFetch()
    const asked = fetchNow(`${url}/wait`)
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.write('half')
    await (await asked).body?.cancel()
    await expect.poll(() => open.size).toBe(0)
    expect(await (await fetchNow(url)).text()).toBe('answer')
  })
})
