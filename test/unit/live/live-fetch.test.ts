import { expect, onTestFinished, test } from 'vitest'
import { createLiveFetch } from '../../../src/live/client/live-fetch.ts'
import { eventually } from '../../support/eventually.ts'
import { startLogServer } from './log-server.ts'

async function open(share: boolean) {
  const server = await startLogServer({ longPollMs: 20_000 })
  onTestFinished(() => server.close())
  const live = createLiveFetch({
    electricUrl: server.shapes,
    share,
    headers: async () => ({ authorization: 'user1' }),
    onSignedOut: () => {},
    tabTools: null,
  })
  onTestFinished(() => live.reset())
  return { server, live }
}

test.each([true, false])('an aborted poll rejects immediately (shared: %s)', async (share) => {
  const { server, live } = await open(share)
  server.append('messages', 'a')
  const headers = { authorization: 'user1' }
  const snapshot = await live.fetch(`${server.shapes}/messages?offset=0`, { headers })
  const query = new URLSearchParams({
    live: 'true',
    offset: snapshot.headers.get('electric-offset') ?? '',
    handle: snapshot.headers.get('electric-handle') ?? '',
  })
  const aborter = new AbortController()
  const poll = live.fetch(`${server.shapes}/messages?${query}`, {
    headers,
    signal: aborter.signal,
  })
  if (share) await eventually(() => expect(server.live.batches).toBe(1))
  aborter.abort()
  await expect(poll).rejects.toMatchObject({ name: 'AbortError' })
})
