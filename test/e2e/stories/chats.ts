import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { createSession, openSession, sendMessage, setShared } from '../support/app.ts'
import type { World } from './world.ts'

/** Stories of the list of chats across sessions. */
export function chatListStories(world: () => World): void {
  let ann: Page
  let bob: Page
  let sessionId: string

  beforeAll(async () => {
    ann = (await world().open('ann')).page
    bob = (await world().open('bob')).page
    sessionId = await createSession(ann, 'Where the chats are')
    await setShared(ann, sessionId, true)
    await sendMessage(ann, 'Who takes the first shift?')
    await openSession(bob, sessionId)
    await bob.getByTestId('message-list').getByText('Who takes the first shift?').first().waitFor()
  })

  const chat = (page: Page, title: string) =>
    page.getByTestId('chat-list').getByRole('listitem').filter({ hasText: title })
  const unread = (page: Page, title: string) =>
    page.locator('[data-testid^="chat-"][data-unread]').filter({ hasText: title })
  const titles = (page: Page) => page.getByTestId('chat-list').locator('li a').allInnerTexts()

  test('lists chats of all sessions by last activity, with unread marks, and opens one', async () => {
    await ann.getByTestId('list-chats').click()
    await expect.poll(async () => (await titles(ann))[0]).toBe('Who takes the first shift?')
    await unread(ann, 'Who takes the first shift?').waitFor({ state: 'detached' })

    // Ann looks at another session while Bob writes.
    await createSession(ann, 'Somewhere else')
    await sendMessage(ann, 'Another subject')
    await expect.poll(async () => (await titles(ann))[0]).toBe('Another subject')
    await sendMessage(bob, 'I do')
    const row = chat(ann, 'Who takes the first shift?')
    await row.getByText('1unread').waitFor()
    await ann.getByTestId('unread-chats').waitFor()
    await expect.poll(async () => (await titles(ann))[0]).toBe('Who takes the first shift?')

    await row.getByRole('link').click()
    await ann.getByTestId('message-list').getByText('I do').first().waitFor()
    expect(ann.url()).toContain(`/sessions/${sessionId}`)
    await ann.locator('[data-testid^="chat-"][data-selected]:not([data-unread])').waitFor()
  })

  test('a pinned chat stays first, also after a reload; arrows reach its button', async () => {
    const row = chat(ann, 'Another subject')
    await row.getByRole('link').focus()
    await ann.keyboard.press('ArrowRight')
    await ann.keyboard.press('Enter')
    await ann.locator('[data-testid^="chat-"][data-pinned]').waitFor()
    await sendMessage(ann, 'A newer message')
    await ann.getByTestId('chat-list').getByText('A newer message').waitFor()
    expect((await titles(ann))[0]).toBe('Another subject')
    await ann.locator('[data-testid="sync-status"][data-state="synced"]').waitFor()
    await ann.reload()
    await expect.poll(async () => (await titles(ann))[0]).toBe('Another subject')
    const stops = await ann
      .getByTestId('chat-list')
      .locator('a, button')
      .evaluateAll((all) => all.filter((each) => (each as HTMLElement).tabIndex >= 0).length)
    expect(stops).toBe(await ann.getByTestId('chat-list').getByRole('listitem').count())
  })

  test('a chat of a session that is no longer shared disappears', async () => {
    await bob.getByTestId('list-chats').click()
    await chat(bob, 'Who takes the first shift?').waitFor()
    await ann.getByTestId('list-sessions').click()
    await setShared(ann, sessionId, false)
    await chat(bob, 'Who takes the first shift?').waitFor({ state: 'detached' })
  })

  test('on a phone the list opens a chat, and leads back to it', async () => {
    const phone = await world().open('ann', { viewport: { width: 390, height: 844 } })
    const { page } = phone
    await page.getByTestId('list-chats').click()
    await chat(page, 'Another subject').getByRole('link').click()
    await page.getByTestId('message-list').getByText('Another subject').first().waitFor()
    await page.getByRole('link', { name: 'Back to all sessions' }).click()
    await chat(page, 'Another subject').waitFor()
  })
}
