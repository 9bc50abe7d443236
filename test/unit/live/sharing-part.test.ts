import { expect, onTestFinished, test, vi } from 'vitest'
import { createPart } from '../../../src/collections/part.ts'
import { createLiveFetch } from '../../../src/live/client/live-fetch.ts'
import { eventually } from '../../support/eventually.ts'
import { follow } from './follow.ts'
import { startLogServer } from './log-server.ts'

type Sharing = typeof import('../../../src/live/client/sharing.ts')

async function open(fetchPart: () => Promise<Sharing>) {
  const server = await startLogServer({ longPollMs: 200 })
  onTestFinished(() => server.close())
  const live = createLiveFetch({
    electricUrl: server.shapes,
    share: true,
    headers: async () => ({ authorization: 'user1' }),
    onSignedOut: () => {},
    tabTools: null,
    part: createPart('Live sharing', fetchPart),
  })
  onTestFinished(() => live.reset())
  const followed = (shape: string) => {
    const follower = follow(
      ({ query }, signal) =>
        live.fetch(`${server.shapes}/${shape}?${query}`, {
          headers: { authorization: 'user1' },
          signal,
        }),
      shape,
    )
    onTestFinished(follower.stop)
    return follower
  }
  return { server, live, followed }
}

test('live polls go by themselves where what shares them cannot be loaded, and share when it can', async () => {
  let isOnline = false
  const { server, followed } = await open(() =>
    isOnline
      ? import('../../../src/live/client/sharing.ts')
      : Promise.reject(new TypeError('Failed to fetch dynamically imported module')),
  )
  const follower = followed('messages')
  server.append('messages', 'a')
  await eventually(() => expect(follower.lines).toEqual(['a']))
  expect(server.live.batches).toBe(0)

  isOnline = true
  await eventually(() => expect(server.live.batches).toBeGreaterThan(0))
  server.append('messages', 'b')
  await eventually(() => expect(follower.lines).toEqual(['a', 'b']))
})

/** A page whose part comes when the test says so, before a server that has a word for each request. */
function openWaiting() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  let arrive = (_part: Sharing) => {}
  const fetchPart = vi.fn(() => new Promise<Sharing>((resolve) => (arrive = resolve)))
  const sent: string[] = []
  const create = (share: boolean) =>
    createLiveFetch({
      electricUrl: 'http://app.test/shapes',
      share,
      headers: async () => ({}),
      onSignedOut: () => {},
      tabTools: null,
      part: createPart('Live sharing', fetchPart),
      fetchClient: async (input) => {
        sent.push(String(input))
        return new Response('answered')
      },
    })
  return { create, fetchPart, sent, arrive: (part: Sharing) => arrive(part) }
}

const POLL = 'http://app.test/shapes/messages?live=true'

test('what shares is asked for before any poll, and not at all by a page that does not share', () => {
  const { create, fetchPart } = openWaiting()
  create(false)
  expect(fetchPart).not.toHaveBeenCalled()
  create(true)
  expect(fetchPart).toHaveBeenCalledOnce()
})

test('a poll waits for it 5 s and no longer, then goes by itself', async () => {
  const { create, sent } = openWaiting()
  const poll = create(true).fetch(POLL)
  await vi.advanceTimersByTimeAsync(4_999)
  expect(sent).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(await (await poll).text()).toBe('answered')
  expect(sent).toEqual([POLL])
})

test('no timer runs on when it has come', async () => {
  const { create, arrive } = openWaiting()
  const poll = create(true).fetch(POLL)
  await eventually(() => expect(vi.getTimerCount()).toBe(1))
  const nothing = { poll: async () => undefined, close: () => {} }
  arrive({ createSharing: () => nothing } as unknown as Sharing)
  await poll
  expect(vi.getTimerCount()).toBe(0)
})

test('a poll that is given up meanwhile ends at once', async () => {
  const { server, live } = await open(() => new Promise(() => {}))
  // Nobody waits for what the clock would end.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const aborter = new AbortController()
  const poll = live.fetch(`${server.shapes}/messages?live=true`, { signal: aborter.signal })
  aborter.abort()
  await expect(poll).rejects.toMatchObject({ name: 'AbortError' })
})
