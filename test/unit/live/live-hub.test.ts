import { describe, expect, onTestFinished, test } from 'vitest'
import { toResponse } from '../../../src/live/client/live-answer.ts'
import { createEndpointSupport, createLiveHub } from '../../../src/live/client/live-hub.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'
import { follow } from './follow.ts'
import { type LogServer, startLogServer } from './log-server.ts'

async function start(options?: { longPollMs?: number }) {
  const server = await startLogServer(options)
  onTestFinished(() => server.close())
  return { server, ...openHub(server) }
}

function openHub(server: LogServer, times: { helloMs?: number; silenceMs?: number } = {}) {
  const support = createEndpointSupport()
  const hub = createLiveHub({
    url: `${server.shapes}/_live`,
    send: fetch,
    headers: async () => ({ authorization: 'user1' }),
    support,
    ...times,
  })
  onTestFinished(() => hub.close())
  const ask: Parameters<typeof follow>[0] = async (poll, signal) =>
    toResponse(await hub.poll(poll, signal))
  const followAll = (shapes: readonly string[]) =>
    shapes.map((shape) => {
      const follower = follow(ask, shape)
      onTestFinished(follower.stop)
      return follower
    })
  return { hub, support, ask, followAll }
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `shape${index}`)

describe('a hub', () => {
  test('follows 48 shapes over at most two connections, and settles on one', async () => {
    const { server, followAll } = await start()
    const shapes = names(48)
    const followers = followAll(shapes)
    for (const shape of shapes) server.append(shape, 'first')
    await eventually(() => {
      for (const { lines } of followers) expect(lines).toEqual(['first'])
    })
    for (const shape of shapes) server.append(shape, 'second')
    await eventually(() => {
      for (const { lines } of followers) expect(lines).toEqual(['first', 'second'])
    })
    expect(server.live.most).toBeLessThanOrEqual(2)
    await eventually(() => expect(server.live.open).toBe(1))
  })

  test('needs no new request for further changes of a shape', async () => {
    const { server, followAll } = await start()
    const [follower] = followAll(['one'])
    for (let line = 0; line < 30; line++) {
      server.append('one', `${line}`)
      await eventually(() => expect(follower?.lines).toHaveLength(line + 1))
    }
    expect(server.live.batches).toBe(1)
  })

  test('adds shapes that arrive one after the other', async () => {
    const { server, followAll } = await start()
    const followers: ReturnType<typeof follow>[] = []
    for (const shape of names(12)) {
      followers.push(...followAll([shape]))
      server.append(shape, 'x')
      await eventually(() => expect(followers.at(-1)?.lines).toEqual(['x']))
    }
    for (const shape of names(12)) server.append(shape, 'y')
    await eventually(() => {
      for (const { lines } of followers) expect(lines).toEqual(['x', 'y'])
    })
    expect(server.live.most).toBeLessThanOrEqual(2)
  })

  test('sends one poll for streams at the same place', async () => {
    const { server, followAll } = await start()
    const asked: string[] = []
    server.refuse = (shape) => {
      asked.push(shape)
      return undefined
    }
    const followers = followAll(Array.from({ length: 12 }, () => 'same'))
    server.append('same', 'a')
    await eventually(() => {
      for (const { lines } of followers) expect(lines).toEqual(['a'])
    })
    expect(asked.length).toBeLessThanOrEqual(2)
  })

  test.each([401, 409, 503])('returns %i of one shape to that shape only', async (status) => {
    const { server, followAll } = await start()
    server.refuse = (shape) =>
      shape === 'bad'
        ? new Response('[]', { status, headers: { 'retry-after': '7', 'electric-handle': 'new' } })
        : undefined
    const [bad, good] = followAll(['bad', 'good'])
    server.append('good', 'fine')
    await eventually(() => expect(good?.lines).toEqual(['fine']))
    await eventually(() => expect(bad?.statuses).toContain(status))
    expect(good?.statuses).not.toContain(status)
  })

  test('returns headers and body of a refused poll', async () => {
    const { server, ask } = await start()
    server.refuse = () =>
      new Response('["gone"]', { status: 409, headers: { 'electric-handle': 'next' } })
    const response = await ask({ shape: 'a', query: 'live=true&offset=0_0' }, signal())
    expect([response.status, response.headers.get('electric-handle')]).toEqual([409, 'next'])
    expect(await response.json()).toEqual(['gone'])
  })

  test('returns 401 to every poll when the sign-in is invalid', async () => {
    const { server } = await start()
    const hub = createLiveHub({
      url: `${server.shapes}/_live`,
      send: fetch,
      headers: async () => ({}),
      support: createEndpointSupport(),
    })
    const polls = names(3).map((shape) =>
      hub.poll({ shape, query: 'live=true&offset=0_0' }, signal()),
    )
    expect((await Promise.all(polls)).map(({ status }) => status)).toEqual([401, 401, 401])
    hub.close()
  })

  test('recovers when the server has broken every connection', async () => {
    const { server, followAll } = await start()
    const followers = followAll(names(5))
    for (const round of [1, 2, 3]) {
      for (const shape of names(5)) server.append(shape, `${round}`)
      await eventually(() => {
        for (const { lines } of followers) expect(lines).toHaveLength(round)
      })
      server.breakConnections()
    }
    expect(followers.map(({ lines }) => lines)).toEqual(names(5).map(() => ['1', '2', '3']))
  })

  test('closes a connection without streams', async () => {
    const { server, followAll } = await start()
    const followers = followAll(names(2))
    await eventually(() => expect(server.live.open).toBeGreaterThan(0))
    for (const { stop } of followers) stop()
    await eventually(() => expect(server.live.open).toBe(0))
  })

  test('continues after a long poll without news', async () => {
    const { server, followAll } = await start({ longPollMs: 1_100 })
    const [follower] = followAll(['slow'])
    await eventually(() => expect(follower?.statuses.length).toBeGreaterThan(2))
    server.append('slow', 'late')
    await eventually(() => expect(follower?.lines).toEqual(['late']))
    expect(server.live.batches).toBe(1)
  })
})

describe('without a usable batch endpoint', () => {
  test.each([404, 405, 501, 403])('rejects for %i, and does not try again soon', async (status) => {
    const { server, hub, support } = await start()
    server.onBatch = () => new Response('', { status })
    const poll = { shape: 'a', query: 'live=true&offset=0_0' }
    await expect(hub.poll(poll, signal())).rejects.toMatchObject({
      name: 'LiveSharingUnavailable',
    })
    expect(support.isLikely()).toBe(false)
    await expect(hub.poll(poll, signal())).rejects.toMatchObject({
      name: 'LiveSharingUnavailable',
    })
    expect(server.live.batches).toBe(1)
  })

  test('rejects for a page instead of frames', async () => {
    const { server, hub } = await start()
    server.onBatch = () => new Response('<html>', { headers: { 'content-type': 'text/html' } })
    await expect(hub.poll({ shape: 'a', query: 'live=true' }, signal())).rejects.toThrow()
  })

  test('detects a reverse proxy that buffers responses', async () => {
    const server = await startLogServer()
    onTestFinished(() => server.close())
    const { hub, support } = openHub(server, { helloMs: 200 })
    server.onBatch = () => new Promise(() => {})
    await expect(hub.poll({ shape: 'a', query: 'live=true' }, signal())).rejects.toMatchObject({
      name: 'LiveSharingUnavailable',
    })
    expect(support.isLikely()).toBe(false)
  })

  test('replaces a silent connection', async () => {
    const server = await startLogServer()
    onTestFinished(() => server.close())
    const { followAll } = openHub(server, { silenceMs: 1_200 })
    const [follower] = followAll(['a'])
    server.append('a', '1')
    await eventually(() => expect(follower?.lines).toEqual(['1']))
    await eventually(() => expect(server.live.batches).toBeGreaterThan(1))
    server.append('a', '2')
    await eventually(() => expect(follower?.lines).toEqual(['1', '2']))
  })
})

test('every stream receives its whole log in order while connections break and streams come and go', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('append'), shape: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('break'), shape: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('follow'), shape: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), shape: fc.nat(120) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const server = await startLogServer()
      const { hub, ask } = openHub(server)
      const written = new Map<string, string[]>()
      const followers: { shape: string; follower: ReturnType<typeof follow> }[] = []
      try {
        for (const [index, { do: what, shape: number }] of steps.entries()) {
          const shape = `shape${number}`
          if (what === 'append') {
            written.set(shape, [...(written.get(shape) ?? []), `${index}`])
            server.append(shape, `${index}`)
          } else if (what === 'break') server.breakConnections()
          else if (what === 'follow') followers.push({ shape, follower: follow(ask, shape) })
          else await new Promise((resolve) => setTimeout(resolve, number))
        }
        await eventually(() => {
          for (const { shape, follower } of followers) {
            expect(follower.lines).toEqual(written.get(shape) ?? [])
          }
        })
        expect(server.live.most).toBeLessThanOrEqual(2)
      } finally {
        for (const { follower } of followers) follower.stop()
        hub.close()
        await server.close()
      }
    }),
    { numRuns: cases(20, 500) },
  )
})

function signal(): AbortSignal {
  return new AbortController().signal
}
