import type { Page, Request } from 'playwright-core'
import { expect, test } from 'vitest'
import { cases } from '../support/property.ts'
import { createSession, messageTexts, openSession, sendMessage, setShared } from './support/app.ts'
import { useDemo } from './support/demo-database.ts'
import { killServers, openSockets } from './support/servers.ts'
import { useWindows } from './support/watch.ts'

const NETWORK_IS_GONE =
  /Failed to load resource: (net::ERR_|the server responded with a status of 503)/
const VISITS = cases(60, 400)

const windows = useWindows()
const used = useDemo({ instances: 2, env: { ECHO_TOKEN_MS: '60' } })

async function stored(content: string): Promise<number> {
  const text = 'SELECT count(*)::int AS count FROM chat_messages WHERE content = $1'
  const { rows } = await used.database.query<{ count: number }>(text, [content])
  return rows[0]?.count ?? 0
}

const syncState = (page: Page) => page.getByTestId('sync-status').getAttribute('data-state')
const markPage = (page: Page) => page.evaluate(() => Object.assign(window, { isSamePage: true }))
const isSamePage = (page: Page) => page.evaluate(() => 'isSamePage' in window)

test('draft, rows and a streaming answer survive the crash of all servers, without a reload', async () => {
  windows.allow(NETWORK_IS_GONE)
  const { page } = await windows.open(used.demo.url, 'ann', { answers: true })
  const bob = await windows.open(used.demo.url, 'bob')
  const sessionId = await createSession(page, 'Through a crash')
  await setShared(page, sessionId, true)
  await openSession(bob.page, sessionId)
  await markPage(page)
  await sendMessage(page, 'Will you survive this?')
  await page.getByTestId('stop-answer').waitFor()
  await expect.poll(async () => (await messageTexts(page))[1]).toMatch(/echo model/)

  killServers(used.demo)
  await sendMessage(page, 'said while all servers were dead')
  await page.getByTestId('composer').pressSequentially('half a thou')
  await bob.page.getByText('said while all servers were dead').first().waitFor()
  expect(await stored('said while all servers were dead')).toBe(1)
  expect(await page.getByTestId('composer').inputValue()).toBe('half a thou')

  // The first answer has lost its writer: the page offers a retry, which resumes where it stopped.
  await page.getByTestId('retry-answer').click({ timeout: 40_000 })
  await expect.poll(async () => (await messageTexts(bob.page))[1]).toMatch(/toUIMessageStream/)
  const texts = await messageTexts(page)
  expect(texts[1]?.match(/You asked/g)).toHaveLength(1)
  expect(await isSamePage(page)).toBe(true)
  // An answer counts as abandoned 30 s after its writer's last heartbeat.
}, 120_000)

test('after 30 s offline, own messages are sent and others’ arrive, each once', async () => {
  windows.allow(NETWORK_IS_GONE)
  const ann = await windows.open(used.demo.url, 'ann')
  const bob = await windows.open(used.demo.url, 'bob')
  const sessionId = await createSession(ann.page, 'Through a tunnel')
  await setShared(ann.page, sessionId, true)
  await openSession(bob.page, sessionId)
  await sendMessage(ann.page, 'before the tunnel')
  await bob.page.getByTestId('message-list').getByText('before the tunnel').first().waitFor()
  await markPage(ann.page)

  await ann.context.setOffline(true)
  const offlineSince = await ann.page.evaluate(() => Date.now())
  await expect.poll(() => syncState(ann.page), { timeout: 30_000 }).toBe('offline')
  await sendMessage(ann.page, 'written in the tunnel')
  await sendMessage(ann.page, 'and once more')
  await sendMessage(bob.page, 'meanwhile outside')
  await bob.page.getByTestId('message-list').getByText('meanwhile outside').first().waitFor()
  expect(await stored('written in the tunnel')).toBe(0)
  expect(await messageTexts(ann.page)).toContain('written in the tunnel')
  // Longer than the server holds a poll and than the first retry delays.
  await ann.page.waitForFunction((since) => Date.now() - since >= 30_000, offlineSince, {
    timeout: 45_000,
  })

  await ann.context.setOffline(false)
  // Writes and polls go out immediately, because the browser fires `online`.
  const all = ['before the tunnel', 'meanwhile outside', 'written in the tunnel', 'and once more']
  for (const { page } of [ann, bob]) {
    await expect
      .poll(async () => (await messageTexts(page)).toSorted(), { timeout: 60_000 })
      .toEqual(all.toSorted())
  }
  await expect.poll(() => syncState(ann.page), { timeout: 60_000 }).toBe('synced')
  expect(await isSamePage(ann.page)).toBe(true)
  expect([await stored('written in the tunnel'), await stored('and once more')]).toEqual([1, 1])
}, 180_000)

/** Returns the live shapes in a page's open batch requests. */
function watchLivePolls(page: Page): () => number {
  const open = new Map<Request, number>()
  page.on('request', (request) => {
    if (!request.url().endsWith('/_live')) return
    const { polls } = request.postDataJSON() as { polls: unknown[] }
    open.set(request, polls.length)
  })
  page.on('requestfinished', (request) => open.delete(request))
  page.on('requestfailed', (request) => open.delete(request))
  return () => [...open.values()].reduce((sum, polls) => sum + polls, 0)
}

// An hour of use with a visit every 18 seconds, without the pauses: leaks come from visits. A simulated
// clock would run ahead of the server's, by which held polls and sign-ins end.
test('hundreds of visits to sessions leave no stream, listener or connection behind', {
  timeout: 180_000,
}, async () => {
  const { page, context } = await windows.open(used.demo.url, 'ann')
  const livePolls = watchLivePolls(page)
  const links = page.getByTestId('session-list').getByRole('link')
  const devtools = await context.newCDPSession(page)

  async function visit(times: number): Promise<void> {
    for (let place = 1; place <= times; place += 1) {
      await links.nth(place % 4).click()
      await page.getByTestId('session-title').waitFor()
    }
  }
  async function counts() {
    await devtools.send('HeapProfiler.collectGarbage')
    const { nodes, jsEventListeners } = await devtools.send('Memory.getDOMCounters')
    const text = 'SELECT count(*)::int AS count FROM pg_stat_activity'
    const { rows } = await used.database.query<{ count: number }>(text)
    return {
      polls: livePolls(),
      nodes,
      listeners: jsEventListeners,
      sockets: openSockets(used.demo),
      databaseConnections: rows[0]?.count ?? 0,
    }
  }

  // Each session has been opened once, and React has created its dialogs and menus.
  await visit(40)
  const start = await counts()
  await visit(VISITS)
  // A new batch request overlaps for a moment with the one it replaces.
  await expect.poll(livePolls, { timeout: 30_000 }).toBeLessThanOrEqual(start.polls)
  const end = await counts()
  console.info(`${VISITS} visits`, { start, end })
  expect(end.polls).toBeGreaterThan(0)
  expect(end.listeners).toBeLessThan(start.listeners + 50)
  expect(end.nodes).toBeLessThan(start.nodes * 1.2)
  expect(end.sockets).toBeLessThanOrEqual(start.sockets + 4)
  // Pools are bounded and grow to the highest number that was needed at the same time.
  expect(end.databaseConnections).toBeLessThanOrEqual(start.databaseConnections + 10)
})
