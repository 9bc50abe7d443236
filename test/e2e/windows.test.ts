import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Browser, Request } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isDeep } from '../support/property.ts'
import { forgive } from './stories/sessions.ts'
import {
  conversation,
  createSession,
  LEGACY_SESSION,
  LEGACY_THREAD,
  messageTexts,
  openSession,
  sendMessage,
  sessionAction,
  setShared,
  threadAction,
} from './support/app.ts'
import { launchBrowser, openWindow, type Window, watchConsole } from './support/browser.ts'
import { type Demo, startDemo, temporaryDataDir } from './support/demo.ts'

const SNAPSHOT = resolve(import.meta.dirname, '../fixtures/legacy-data/7f9df6a/chat-messages.json')

interface LegacyMessage {
  readonly threadId?: string
  readonly content: string
  readonly createdAt: string
}

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>
let demo: Demo
let browser: Browser
let ann: Window
let bob: Window
let eve: Window

beforeAll(async () => {
  dataDir = await temporaryDataDir()
  demo = await startDemo({ dataDir: dataDir.path, instances: 2 })
  browser = await launchBrowser()
  const [first, second] = demo.instances.map(({ url }) => url)
  // Ann and Bob use one server instance each, Eve the balancer; all share one database and shape server.
  ann = await openWindow(browser, first ?? '', 'ann')
  bob = await openWindow(browser, second ?? '', 'bob')
  eve = await openWindow(browser, demo.url, 'eve')
})

afterAll(async () => {
  await browser?.close()
  await demo?.stop()
  await dataDir?.remove()
})

describe('two app instances, three users, two tenants', () => {
  test('each instance and the balancer has its own address', () => {
    const urls = [demo.url, ...demo.instances.map(({ url }) => url)]
    expect(new Set(urls).size).toBe(3)
  })

  test('imported threads show their real messages in order', async () => {
    const expected = (JSON.parse(readFileSync(SNAPSHOT, 'utf8')) as LegacyMessage[])
      .filter(({ threadId }) => threadId === LEGACY_THREAD)
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
    await openSession(ann.page, LEGACY_SESSION)
    await ann.page.getByTestId(`thread-${LEGACY_THREAD}`).getByRole('button').first().click()
    await expect.poll(() => conversation(ann.page)).toHaveLength(expected.length)
    const shown = await conversation(ann.page)
    // Messages are shown formatted, so only their words are compared.
    const words = (text: string) => text.replace(/[^\p{L}\p{N}]+/gu, ' ').trim()
    expect(shown.map(words)).toEqual(expected.map(({ content }) => words(content)))
  })

  test('a real session log shows its timeline', async () => {
    await ann.page
      .getByTestId('session-list')
      .getByRole('link')
      .filter({ hasText: 'git push origin main' })
      .click()
    await ann.page.locator('[data-testid="timeline"] [data-kind="tool_call"]').first().waitFor()
    expect(await ann.page.getByTestId('event-count').textContent()).toMatch(/230/)
  })

  test('a change shows in the windows of the same tenant and never in another tenant', async () => {
    const sessionId = await createSession(ann.page, 'Shared by Ann')
    await setShared(ann.page, sessionId, true)
    await openSession(bob.page, sessionId)

    await sendMessage(ann.page, 'Hello from Ann')
    const sent = Date.now()
    await bob.page.getByTestId('message-list').getByText('Hello from Ann').first().waitFor()
    console.info(`Ann's message was on Bob's screen ${Date.now() - sent} ms after she sent it`)
    await sendMessage(bob.page, 'Hello from Bob')
    await expect.poll(() => messageTexts(ann.page)).toEqual(['Hello from Ann', 'Hello from Bob'])

    const item = ann.page.locator('[data-testid^="thread-"][data-status="active"]').first()
    const threadId = ((await item.getAttribute('data-testid')) ?? '').slice('thread-'.length)
    await threadAction(ann.page, threadId, 'rename-thread')
    await ann.page.getByTestId('title-input').fill('Renamed by Ann')
    await ann.page.getByTestId('title-save').click()
    await bob.page.getByTestId('thread-list').getByText('Renamed by Ann').waitFor()

    await threadAction(ann.page, threadId, 'archive-thread')
    await bob.page.locator(`[data-testid="thread-${threadId}"][data-status="archived"]`).waitFor()
    await threadAction(ann.page, threadId, 'activate-thread')
    await bob.page.locator(`[data-testid="thread-${threadId}"][data-status="active"]`).waitFor()

    await threadAction(ann.page, threadId, 'delete-thread')
    await bob.page.getByTestId(`thread-${threadId}`).waitFor({ state: 'detached' })

    expect(await eve.page.getByTestId(`session-${sessionId}`).count()).toBe(0)
    expect(await eve.page.getByText('Ann').count()).toBe(0)
  })

  test('renaming, archiving and deleting a session shows in the other window', async () => {
    const sessionId = await createSession(ann.page, 'Short-lived')
    await setShared(ann.page, sessionId, true)
    const inBobsList = bob.page.getByTestId(`session-${sessionId}`)
    await inBobsList.getByText('Short-lived').waitFor()

    await sessionAction(ann.page, 'rename-session')
    await ann.page.getByTestId('title-input').fill('Renamed session')
    await ann.page.getByTestId('title-save').click()
    await inBobsList.getByText('Renamed session').waitFor()

    await sessionAction(ann.page, 'archive-session')
    await inBobsList.waitFor({ state: 'detached' })
    await bob.page.getByTestId('show-archived').click()
    await inBobsList.waitFor()

    await sessionAction(ann.page, 'delete-session')
    await inBobsList.waitFor({ state: 'detached' })
    expect(await eve.page.getByText('Renamed session').count()).toBe(0)
  })

  test('making a session private empties the other window without a reload', async () => {
    const sessionId = await createSession(ann.page, 'Soon private')
    await setShared(ann.page, sessionId, true)
    await openSession(bob.page, sessionId)
    await sendMessage(ann.page, 'For a moment only')
    await bob.page.getByTestId('message-list').getByText('For a moment only').first().waitFor()

    await setShared(ann.page, sessionId, false)
    await bob.page.getByTestId(`session-${sessionId}`).waitFor({ state: 'detached' })
    await bob.page.getByText('For a moment only').first().waitFor({ state: 'detached' })
    await ann.page.getByTestId('message-list').getByText('For a moment only').first().waitFor()

    await setShared(ann.page, sessionId, true)
    await openSession(bob.page, sessionId)
    await bob.page.getByTestId('message-list').getByText('For a moment only').first().waitFor()
    // Bob's window may have marked the message as read when the session was private already.
    forgive(bob, /status of 404/)
  })

  test.runIf(isDeep)(
    'twelve tabs of one browser are all live, over two connections, and go on when some are closed',
    {
      timeout: 120_000,
    },
    async () => {
      const polls = new Set<Request>()
      ann.context.on('request', (request) => {
        if (request.url().endsWith('/_live')) polls.add(request)
      })
      ann.context.on('requestfinished', (request) => polls.delete(request))
      ann.context.on('requestfailed', (request) => polls.delete(request))

      const sessionId = await createSession(ann.page, 'In twelve tabs')
      await setShared(ann.page, sessionId, true)
      await openSession(bob.page, sessionId)
      const tabs = [ann.page]
      while (tabs.length < 12) {
        const page = await ann.context.newPage()
        watchConsole(page, ann.complaints)
        await page.goto(ann.page.url())
        await page.locator('[data-testid="sync-status"][data-state="synced"]').waitFor()
        tabs.push(page)
      }
      const reachesAll = async (text: string) => {
        await sendMessage(bob.page, text)
        const arrivals = tabs.map((page) =>
          page.getByTestId('message-list').getByText(text).first().waitFor(),
        )
        await Promise.all(arrivals)
      }
      await reachesAll('To all twelve')
      // A new request overlaps for a moment with the one it replaces.
      await expect.poll(() => polls.size > 0 && polls.size <= 2).toBe(true)
      for (const page of tabs.splice(1, 6)) await page.close()
      await reachesAll('To those that are left')
      await Promise.all(tabs.splice(1).map((page) => page.close()))
    },
  )

  test('no window logged a console warning or error', () => {
    expect(ann.complaints).toEqual([])
    expect(bob.complaints).toEqual([])
    expect(eve.complaints).toEqual([])
  })
})
