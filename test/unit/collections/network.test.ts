import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type {
  Outbox,
  SessionCollectionsOptions,
  SyncStatus,
} from '../../../src/collections/index.ts'
import { type ConnectOutbox, registerOutbox } from '../../../src/collections/outbox/outbox.ts'
import { createNetwork } from '../../../src/collections/sync/network.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { serve } from '../proxy/serve.ts'
import { createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { accepted, open } from './support/open.ts'
import { stubPage } from './support/stub-page.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** A server behind a connection that can be cut, and a client that has synced with it. */
async function openThroughProxy(options: Partial<SessionCollectionsOptions> = {}) {
  const shapes = createHandDrivenShapes()
  const server = await serve(({ url, signal }) =>
    shapes.fetch(url, { signal }).catch(() => new Response('the client has gone')),
  )
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  onTestFinished(async () => {
    await proxy.close()
    await server.close()
  })
  const { db, writes } = open({
    electricUrl: `http://127.0.0.1:${proxy.port}/api/shapes`,
    fetchClient: (input, init) => fetch(input, init),
    shareLiveConnections: false,
    ...options,
  })
  await db.sessions.preload()
  const status = db.status(db.sessions)
  /** Resolves with the next status that is so. No timer is needed for it. */
  const until = (is: (status: SyncStatus) => boolean) =>
    new Promise<SyncStatus>((resolve) => {
      const look = () => {
        if (!is(status.get())) return
        stop()
        resolve(status.get())
      }
      const stop = status.subscribe(look)
      look()
    })
  return { db, writes, shapes, proxy, until }
}

const isLost = ({ lastError }: SyncStatus) => lastError !== null

describe('a stream whose connection is lost', () => {
  test('retries when the browser is online again, in the middle of a pause', async () => {
    const { shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    page.goOffline()
    proxy.cut()
    expect(await until(isLost)).toMatchObject({ connection: 'offline' })

    proxy.heal()
    shapes.push('sessions', [])
    page.goOnline()
    expect(await until(({ isUpToDate }) => isUpToDate)).toMatchObject({ connection: 'live' })
  })

  test('is live again immediately, even if no news ends a live poll', async () => {
    const { shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    const before = await until(({ isUpToDate }) => isUpToDate)
    proxy.cut()
    await until(isLost)
    const asked = shapes.requests.length

    proxy.heal()
    page.goOnline()
    const after = await until(({ isUpToDate }) => isUpToDate)
    expect(after).toMatchObject({ connection: 'live', lastError: null, offset: before.offset })
    expect(after.lastSyncedAt).not.toBe(before.lastSyncedAt)
    await expect.poll(() => shapes.requests.length).toBe(asked + 2)
    const isLive = ({ searchParams }: URL) => searchParams.has('live')
    expect(shapes.requests.slice(asked).map(isLive)).toEqual([false, true])
  })

  test('is not live before it has received the news', async () => {
    let hasNews = false
    const { db, shapes, proxy, until } = await openThroughProxy({
      fetchClient: async (input, init) => {
        const answer = await fetch(input, init)
        if (!hasNews || new URL(String(input)).searchParams.has('live')) return answer
        const headers = { ...Object.fromEntries(answer.headers), 'electric-offset': '9_0' }
        return new Response(answer.body, { headers })
      },
    })
    const page = stubPage()
    proxy.cut()
    await until(isLost)
    hasNews = true
    const asked = shapes.requests.length
    proxy.heal()
    page.goOnline()
    await expect.poll(() => shapes.requests.length).toBe(asked + 2)
    expect(db.status(db.sessions).get().connection).toBe('reconnecting')
  })

  test('recovers also when the browser never noticed that it was offline', async () => {
    const { shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    proxy.cut()
    expect(await until(isLost)).toMatchObject({ connection: 'reconnecting' })

    proxy.heal()
    shapes.push('sessions', [])
    page.goOnline()
    await until(({ isUpToDate }) => isUpToDate)
  })

  test('retries when a write gets through', async () => {
    const { db, writes, shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    page.goOffline()
    proxy.cut()
    await until(isLost)

    proxy.heal()
    shapes.push('sessions', [])
    db.actions.renameThread('no-collection-has-it', 'T').committed.catch(() => undefined)
    const [write] = writes
    write?.answer(accepted(write.batch, null))
    await until(({ isUpToDate }) => isUpToDate)
  })

  test('retries after a few seconds when the browser wrongly reports that it is offline', async () => {
    const { shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    page.goOffline()
    proxy.cut()
    await until(isLost)

    proxy.heal()
    shapes.push('sessions', [])
    await vi.advanceTimersByTimeAsync(5_000)
    await until(({ isUpToDate }) => isUpToDate)
  })
})

test('flushes the outbox when a stream gets through again', async () => {
  const flush = vi.fn()
  const connect = () => ({ writes: { show() {} }, close() {} })
  const outbox = registerOutbox({ flush } as unknown as Outbox, connect as unknown as ConnectOutbox)
  const { shapes, proxy, until } = await openThroughProxy({ outbox })
  const page = stubPage()
  proxy.cut()
  await until(isLost)
  expect(flush).not.toHaveBeenCalled()

  proxy.heal()
  shapes.push('sessions', [])
  page.goOnline()
  await until(({ isUpToDate }) => isUpToDate)
  expect(flush).toHaveBeenCalled()
})

describe('a network', () => {
  /** A request that fails until the test lets it through. */
  function request(network: ReturnType<typeof createNetwork>, signal?: AbortSignal) {
    let [isThrough, failures] = [false, 0]
    const send = async () => {
      if (isThrough) return new Response('answer')
      throw new TypeError('Failed to fetch')
    }
    const answer = network.untilAnswered(send, signal, () => {
      failures += 1
    })
    return {
      answer,
      failures: () => failures,
      letThrough: () => {
        isThrough = true
      },
    }
  }
  const turn = () => vi.advanceTimersByTimeAsync(0)

  test('ends the pause of a request once when another gets through', async () => {
    stubPage()
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const network = createNetwork()
    const { answer, failures, letThrough } = request(network)
    await turn()
    expect(failures()).toBe(1)

    network.answered()
    await turn()
    expect(failures()).toBe(2)
    for (let n = 0; n < 5; n += 1) {
      network.answered()
      await turn()
    }
    expect(failures()).toBe(2)
    letThrough()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await (await answer).text()).toBe('answer')
  })

  test('pauses longer each time, up to 32 seconds', async () => {
    stubPage()
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const { answer, failures, letThrough } = request(createNetwork())
    for (const [index, seconds] of [1, 2, 4, 8, 16, 32, 32].entries()) {
      await vi.advanceTimersByTimeAsync(seconds * 1_000 - 1)
      expect(failures()).toBe(index + 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(failures()).toBe(index + 2)
    }
    letThrough()
    await vi.advanceTimersByTimeAsync(32_000)
    await answer
  })

  test('reports once that requests get through again', async () => {
    stubPage()
    const onBack = vi.fn()
    const network = createNetwork(onBack)
    await network.untilAnswered(async () => new Response('fine'), undefined)
    expect(onBack).not.toHaveBeenCalled()
    const { answer, letThrough } = request(network)
    await turn()
    letThrough()
    network.answered()
    await answer
    expect(onBack).toHaveBeenCalledOnce()
  })

  test('does not take a proxy’s 502 as an answer of the server', async () => {
    stubPage()
    const network = createNetwork()
    const { answer, failures, letThrough } = request(network)
    await turn()
    await network.untilAnswered(async () => new Response('', { status: 502 }), undefined)
    await turn()
    expect(failures()).toBe(1)
    letThrough()
    network.answered()
    await answer
  })

  test('ends a pause with the last failure when the request is aborted', async () => {
    stubPage()
    const aborter = new AbortController()
    const { answer } = request(createNetwork(), aborter.signal)
    await turn()
    aborter.abort()
    await expect(answer).rejects.toThrow('Failed to fetch')
  })
})
