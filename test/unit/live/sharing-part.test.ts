import { expect, onTestFinished, test, vi } from 'vitest'
import { createLiveFetch } from '../../../src/collections/live/live-fetch.ts'
import { createPart } from '../../../src/collections/part.ts'
import { follow } from './follow.ts'
import { startLogServer } from './log-server.ts'

type Sharing = typeof import('../../../src/collections/live/sharing.ts')

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
      ? import('../../../src/collections/live/sharing.ts')
      : Promise.reject(new TypeError('Failed to fetch dynamically imported module')),
  )
  const follower = followed('messages')
  server.append('messages', 'a')
  await vi.waitFor(() => expect(follower.lines).toEqual(['a']), 10_000)
  expect(server.live.batches).toBe(0)

  isOnline = true
  await vi.waitFor(() => expect(server.live.batches).toBeGreaterThan(0), 10_000)
  server.append('messages', 'b')
  await vi.waitFor(() => expect(follower.lines).toEqual(['a', 'b']), 10_000)
})

test('a poll that is given up while they are loaded ends at once', async () => {
  const { server, live } = await open(() => new Promise(() => {}))
  const aborter = new AbortController()
  const poll = live.fetch(`${server.shapes}/messages?live=true`, { signal: aborter.signal })
  aborter.abort()
  await expect(poll).rejects.toMatchObject({ name: 'AbortError' })
})
