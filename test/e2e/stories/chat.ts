import type { Locator, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import {
  createSession,
  messageTexts,
  openSession,
  sendMessage,
  setShared,
  threadAction,
} from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import { forgive } from './sessions.ts'
import type { World } from './world.ts'

/** User stories of a session's chat. */
export function chatStories(world: () => World): void {
  let ann: Window
  let bob: Window
  let page: Page
  let sessionId: string

  beforeAll(async () => {
    ann = await world().open('ann', { answers: true })
    bob = await world().open('bob')
    page = ann.page
    sessionId = await createSession(page, 'Chat stories')
    await setShared(page, sessionId, true)
    await openSession(bob.page, sessionId)
  })

  const answer = (status: string) =>
    page.locator(`[data-role="assistant"][data-status="${status}"]`)
  const threads = (status: string) =>
    page.locator(`[data-testid="thread-list"] [data-status="${status}"]`)
  const idOf = async (status: string) =>
    ((await threads(status).first().getAttribute('data-testid')) ?? '').slice('thread-'.length)

  const lengthOf = async (content: Locator) => ((await content.textContent()) ?? '').length

  test('an answer streams into every window, formatted, and its HTML is never executed', async () => {
    await sendMessage(page, 'Explain `npm ci` <img src=x onerror="document.title=\'broken\'">')
    await answer('streaming').waitFor()
    await bob.page.locator('[data-role="assistant"][data-status="streaming"]').waitFor()
    await bob.page.locator('[data-role="assistant"][data-status="complete"]').waitFor()
    await answer('complete').locator('pre code.hljs').waitFor()
    expect(await page.locator('.markdown img').count()).toBe(0)
    expect(await page.title()).not.toBe('broken')
    await page
      .getByTestId('announcer')
      .getByText(/^The assistant: You asked/)
      .waitFor({ state: 'attached' })
  })

  test('an answer is stopped and resumed where it stopped', async () => {
    await sendMessage(page, `Say a lot about ${'many different things '.repeat(60)}`)
    await page.getByTestId('stop-answer').click()
    await page.getByTestId('retry-answer').waitFor()
    const before = await lengthOf(answer('error').getByTestId('message-content'))
    await page.getByTestId('retry-answer').click()
    await expect.poll(() => answer('complete').count(), { timeout: 60_000 }).toBe(2)
    const content = answer('complete').last().getByTestId('message-content')
    expect(await lengthOf(content)).toBeGreaterThan(before)
  })

  test('a message is sent without an answer, which is requested later', async () => {
    await page.getByTestId('wants-answer').click()
    await sendMessage(page, 'Only a note')
    await page.getByTestId('ask-for-answer').click()
    await expect.poll(() => answer('complete').count(), { timeout: 60_000 }).toBe(3)
  })

  test('a message is edited, deleted and restored, in both windows', async () => {
    const note = page.getByRole('article').filter({ hasText: 'Only a note' }).first()
    await note.hover()
    await note.getByRole('button', { name: 'Edit message' }).click()
    await page.getByTestId('edit-input').fill('A **changed** note')
    await page.getByTestId('edit-save').click()
    await bob.page.getByTestId('follow-branch').click()
    await bob.page.getByText('A changed note').waitFor()
    const changed = page.getByRole('article').filter({ hasText: 'A changed note' }).first()
    await changed.hover()
    await changed.getByRole('button', { name: 'Delete message' }).click()
    await expect.poll(() => messageTexts(page)).not.toContain('A changed note')
    await page.getByTestId('undo').click()
    await expect.poll(() => messageTexts(page)).toContain('A changed note')
  })

  test('a new thread archives the active one; threads are renamed, activated, emptied, deleted', async () => {
    const first = await idOf('active')
    const preview = page.getByTestId(`thread-${first}`).getByTestId('thread-preview')
    expect(await preview.textContent()).toMatch(/7 messages · .* · A \*\*changed\*\* note/)
    await page.getByTestId('new-thread').click()
    await sendMessage(page, 'First words')
    await page.locator(`[data-testid="thread-${first}"][data-status="archived"]`).waitFor()
    const second = await idOf('active')
    expect(second).not.toBe(first)
    await bob.page.locator(`[data-testid="thread-${second}"][data-changed]`).waitFor()

    await threadAction(page, second, 'rename-thread')
    await page.getByTestId('title-input').fill('Second thoughts')
    await page.keyboard.press('Enter')
    await bob.page.getByTestId('thread-list').getByText('Second thoughts').waitFor()
    // Focus returns to the element that opened the dialog.
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid')))
      .toBe(`thread-menu-${second}`)

    await threadAction(page, second, 'archive-thread')
    await page.locator(`[data-testid="thread-${second}"][data-status="archived"]`).waitFor()
    await threadAction(page, first, 'activate-thread')
    await page.locator(`[data-testid="thread-${first}"][data-status="active"]`).waitFor()

    await page.getByTestId(`thread-${first}`).getByRole('button').first().click()
    await threadAction(page, first, 'reset-thread')
    await page.getByText('No messages yet').first().waitFor()
    await preview.getByText('No messages yet').waitFor()

    await threadAction(page, second, 'delete-thread')
    await page.getByTestId('undo').last().click()
    await page.getByTestId(`thread-${second}`).waitFor()
  })

  test('session and general threads are separate lists', async () => {
    await page.getByTestId('mode-general').click()
    await page.getByText('a thread starts with it').waitFor()
    await sendMessage(page, 'In general')
    // A thread's title is its first words.
    await threads('active').getByRole('button', { name: 'In general', exact: true }).waitFor()
    await page.getByTestId('mode-session').click()
    // After the first answer, its content gives the title.
    await threads('active')
      .getByRole('button', { name: /^Explain npm ci/ })
      .waitFor()
  })

  test('shows the evidence of an answer', async () => {
    const response = await page.request.post(`${world().demo.url}/api/write`, {
      headers: { 'content-type': 'application/json', origin: world().demo.url },
      data: evidenceBatch(await idOf('active')),
    })
    expect(response.status(), await response.text()).toBe(200)
    const evidence = page.getByTestId('evidence')
    await evidence.getByText('The exit code').waitFor()
    await evidence.getByText('npm ERR! code 2').waitFor()
  })

  test('an offline message survives a reload and is sent when the network returns', async () => {
    await page.getByTestId('composer').fill('half a thought')
    await ann.context.setOffline(true)
    await page
      .locator('[data-testid="sync-status"][data-state="offline"]')
      .waitFor({ timeout: 45_000 })
    await sendMessage(page, 'Written on a train')
    await page
      .getByRole('article')
      .filter({ hasText: 'Written on a train' })
      .getByText('Sending')
      .waitFor()
    await page.getByTestId('sync-status').getByText('1 change not sent yet').waitFor()
    await page.getByTestId('composer').fill('the other half')
    await ann.context.setOffline(false)
    await bob.page.getByText('Written on a train').first().waitFor({ timeout: 45_000 })
    await page
      .locator('[data-testid="sync-status"][data-state="synced"]')
      .waitFor({ timeout: 45_000 })
    await page.reload()
    await expect.poll(() => page.getByTestId('composer').inputValue()).toBe('the other half')
    await page.getByTestId('composer').fill('')
    forgive(ann, /ERR_INTERNET_DISCONNECTED|Failed to fetch|NetworkError/)
  }, 120_000)

  test('a refused message stays, to be sent again or discarded', async () => {
    // The test changes the thread's id on the way, so that the server really refuses the message.
    const threadId = await idOf('active')
    await page.route('**/_serverFn/**', (route) => {
      const body = route.request().postData() ?? ''
      return route.continue({ postData: body.replaceAll(threadId, threadId.replaceAll(/./g, 'x')) })
    })
    await sendMessage(page, 'Forbidden words')
    const unsent = page.getByTestId('unsent-message')
    await unsent.getByText('Not sent: ').waitFor()
    await page.unroute('**/_serverFn/**')
    await unsent.getByTestId('send-again').click()
    await unsent.waitFor({ state: 'detached' })
    await bob.page.getByText('Forbidden words').first().waitFor()
    forgive(ann, /404/)
  })
}

function evidenceBatch(threadId: string) {
  const value = {
    id: `evidence-${threadId}`,
    threadId,
    role: 'user',
    content: 'It failed.',
    metadata: { evidence: [{ title: 'The exit code', quote: 'npm ERR! code 2', seq: 3 }] },
  }
  return {
    id: `evidence-batch-${threadId}`,
    mutations: [{ collection: 'chatMessages', type: 'insert', value }],
  }
}
