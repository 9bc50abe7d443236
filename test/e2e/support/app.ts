import type { Page } from 'playwright-core'

/** The legacy snapshot's own session and its active thread, which the demo imports. */
export const LEGACY_SESSION = 'session-default'
export const LEGACY_THREAD = 'thread_3983efad-ab5b-40b6-a175-4a38cdfdbaeb'

export async function openSession(page: Page, sessionId: string): Promise<void> {
  const link = page.getByTestId(`session-${sessionId}`).getByRole('link')
  const title = (await link.textContent()) ?? ''
  await link.click()
  await shown(page, title)
}

/** Waits until the page shows a session. Its address changes while the one before is still shown. */
async function shown(page: Page, title: string): Promise<void> {
  await page.getByTestId('session-title').getByText(title, { exact: true }).waitFor()
}

export async function sendMessage(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text)
  await page.getByTestId('composer').press('Enter')
}

/** Chooses an entry of a thread's menu. */
export async function threadAction(page: Page, threadId: string, action: string): Promise<void> {
  await page.getByTestId(`thread-menu-${threadId}`).click()
  await page.getByTestId(action).click()
}

/** Chooses an entry of the open session's menu. */
export async function sessionAction(page: Page, action: string): Promise<void> {
  await page.getByTestId('session-menu').click()
  await page.getByTestId(action).click()
}

/** Texts of the messages on the screen, from top to bottom. */
export function messageTexts(page: Page): Promise<string[]> {
  return page.getByTestId('message-list').getByTestId('message-content').allInnerTexts()
}

/** The same without messages of the role `tool`, which legacy tool events have. */
export function conversation(page: Page): Promise<string[]> {
  return page
    .getByTestId('message-list')
    .locator('[data-role]:not([data-role="tool"])')
    .getByTestId('message-content')
    .allInnerTexts()
}

/** Creates a session in the app and returns its id. */
export async function createSession(page: Page, title: string): Promise<string> {
  await page.getByTestId('new-session').click()
  await page.getByTestId('title-input').fill(title)
  await page.getByTestId('title-save').click()
  await shown(page, title)
  return decodeURIComponent(new URL(page.url()).pathname.split('/').at(-1) ?? '')
}

/** Turns sharing with the tenant on or off and waits for the switch to change. */
export async function setShared(page: Page, sessionId: string, shared: boolean): Promise<void> {
  const control = page.getByTestId(`share-${sessionId}`)
  if ((await control.getAttribute('aria-checked')) !== String(shared)) await control.click()
  await page.locator(`[data-testid="share-${sessionId}"][aria-checked="${shared}"]`).waitFor()
}

/** The first row of the open timeline. */
export const firstEvent = (page: Page) =>
  page.getByTestId('timeline').locator('[data-testid^="event-"][data-kind]').first()

/** Opens the demo's real Codex log, which is older than logs that tests upload. */
export async function openBundledLog(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.getByTestId('session-list').getByText('git push origin main').last().click()
  await firstEvent(page).waitFor()
}
