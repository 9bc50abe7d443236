import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createSession, openSession, sessionAction } from './support/app.ts'
import type { Window } from './support/browser.ts'
import { useDemo } from './support/demo-database.ts'
import { useWindows } from './support/watch.ts'

const windows = useWindows()
const used = useDemo()

/** Ann creates a session and opens its share dialog. Bob is in the team Support. */
async function start(title: string): Promise<{ ann: Page; bob: Window; sessionId: string }> {
  const [ann, bob] = [
    await windows.open(used.demo.url, 'ann'),
    await windows.open(used.demo.url, 'bob'),
  ]
  const sessionId = await createSession(ann.page, title)
  await sessionAction(ann.page, 'open-sharing')
  return { ann: ann.page, bob, sessionId }
}

async function share(page: Page, grantee: string, role: string): Promise<void> {
  await page.getByTestId('share-with').selectOption(grantee)
  await page.getByRole('combobox', { name: 'Role', exact: true }).selectOption(role)
  await page.getByTestId('share').click()
  await page.getByTestId(`grant-${grantee}`).waitFor()
}

async function revoke(page: Page, grantee: string): Promise<void> {
  await page.locator(`[data-testid^="grant-${grantee}"]`).getByTestId('revoke').click()
  await page.locator(`[data-testid^="grant-${grantee}"]`).waitFor({ state: 'detached' })
}

const gone = (page: Page) => page.getByTestId('session-gone').waitFor()

for (const [kind, grantee] of [
  ['person', 'user:bob'],
  ['team', 'team:acme-support'],
] as const) {
  test(`shares with a ${kind}, changes the role, and revokes while it is open`, async () => {
    const { ann, bob, sessionId } = await start(`For a ${kind}`)
    await share(ann, grantee, 'viewer')
    await openSession(bob.page, sessionId)
    windows.allow(/403/)
    // Bob's mark of what he has read may reach the server after the session was withdrawn.
    windows.allow(/404/)
    await bob.page.getByTestId('composer').fill('May I?')
    await bob.page.getByTestId('composer').press('Enter')
    await bob.page.getByText('was not sent').first().waitFor()

    await ann.getByTestId(`grant-${grantee}`).getByRole('combobox').selectOption('member')
    await expect
      .poll(async () => {
        await bob.page.getByTestId('composer').fill('Hello from Bob')
        await bob.page.getByTestId('composer').press('Enter')
        const [{ stored } = { stored: 0 }] = (
          await used.database.query<{ stored: number }>(
            'SELECT count(*)::integer AS stored FROM chat_messages WHERE session_id = $1',
            [sessionId],
          )
        ).rows
        return stored
      })
      .toBeGreaterThan(0)

    await revoke(ann, grantee)
    await gone(bob.page)
    await bob.page.getByTestId(`session-${sessionId}`).waitFor({ state: 'detached' })
    expect(await bob.page.getByText('Hello from Bob').count()).toBe(0)
  })
}

test('shares by link, and ends the link while it is open', async () => {
  const { ann, bob, sessionId } = await start('For a link')
  await ann.getByTestId('create-link').click()
  const link = await ann.getByTestId('session-link').inputValue()
  await ann.locator('[data-testid^="grant-link:"]').waitFor()
  expect(await bob.page.getByTestId(`session-${sessionId}`).count()).toBe(0)

  await bob.page.goto(link)
  await bob.page.getByTestId('submit').click()
  await bob.page.getByTestId('session-title').getByText('For a link').waitFor()
  const cookies = await bob.context.cookies()
  expect(cookies.find(({ name }) => name === 'session-links')).toMatchObject({ httpOnly: true })
  const token = new URL(link).hash.slice(1)
  const { rows } = await used.database.query('SELECT * FROM session_grants')
  expect(JSON.stringify(rows)).not.toContain(token)

  // The link shows nothing to a user of another organisation.
  const eve = await windows.open(used.demo.url, 'eve')
  await eve.page.goto(link)
  await eve.page.getByTestId('submit').click()
  await gone(eve.page)

  await revoke(ann, 'link:')
  await gone(bob.page)
})

test('a session that is shared twice stays on the screen until both are revoked', async () => {
  const { ann, bob, sessionId } = await start('Shared twice')
  await share(ann, 'user:bob', 'viewer')
  await share(ann, 'team:acme-support', 'viewer')
  await openSession(bob.page, sessionId)
  await bob.page.evaluate(() => {
    const title = document.querySelector('[data-testid="session-title"]')
    const shown = { always: true }
    Object.assign(window, { shown })
    new MutationObserver(() => {
      if (!title?.isConnected) shown.always = false
    }).observe(document.body, { childList: true, subtree: true })
  })
  await revoke(ann, 'user:bob')
  await bob.page.getByTestId('leave').waitFor({ state: 'detached' })
  await ann.keyboard.press('Escape')
  await sessionAction(ann, 'rename-session')
  await ann.getByTestId('title-input').fill('Still shared')
  await ann.getByTestId('title-save').click()
  await bob.page.getByTestId('session-title').getByText('Still shared').waitFor()
  expect(
    await bob.page.evaluate(
      () => (window as unknown as { shown: { always: boolean } }).shown.always,
    ),
  ).toBe(true)

  await sessionAction(ann, 'open-sharing')
  await revoke(ann, 'team:acme-support')
  await gone(bob.page)
})

test('a user leaves a session that is shared by name', async () => {
  const { ann, bob, sessionId } = await start('To be left')
  await share(ann, 'user:bob', 'member')
  await openSession(bob.page, sessionId)
  await bob.page.getByTestId('leave').click()
  await bob.page.getByTestId('confirm').click()
  await gone(bob.page)
  await ann.getByTestId('grant-user:bob').waitFor({ state: 'detached' })
})
