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
  test('asks again when the browser is online again, whatever pause it is in', async () => {
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

  test('is live again at once, though there is no news that a live poll could bring', async () => {
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

  test('is not live yet when there is news that has not come', async () => {
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

  test('does so, too, when the browser never noticed that it was offline', async () => {
    const { shapes, proxy, until } = await openThroughProxy()
    const page = stubPage()
    proxy.cut()
    expect(await until(isLost)).toMatchObject({ connection: 'reconnecting' })

    proxy.heal()
    shapes.push('sessions', [])
    page.goOnline()
    await until(({ isUpToDate }) => isUpToDate)
  })

  test('asks again when a write gets through, without a word of the browser', async () => {
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

  test('asks again by itself after some seconds where the browser says wrongly that it is offline', async () => {
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

test('a stream that gets through again tells the outbox', async () => {
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

  test('lets a pausing request follow one that got through, once', async () => {
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

  test('says that requests get through again, but not of each that does', async () => {
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

  test('takes a 502 of what stands in front of the server for no sign of the server', async () => {
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

  test('ends a pause with what the last try threw when the request is aborted', async () => {
    stubPage()
    const aborter = new AbortController()
    const { answer } = request(createNetwork(), aborter.signal)
    await turn()
    aborter.abort()
    await expect(answer).rejects.toThrow('Failed to fetch')
  })
})
