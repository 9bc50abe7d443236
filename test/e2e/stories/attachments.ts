import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { createSession, openSession, sendMessage, setShared } from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import { forgive } from './sessions.ts'
import type { World } from './world.ts'

/** A picture of 1 × 1 pixels. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const picture = { name: 'shot.png', mimeType: 'image/png', buffer: PNG }
const notes = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Some notes.\n') }

/** Stories of the files in a chat. */
export function attachmentStories(world: () => World): void {
  let ann: Window
  let page: Page
  let bob: Page

  beforeAll(async () => {
    ann = await world().open('ann', { answers: true })
    page = ann.page
    bob = (await world().open('bob')).page
    const sessionId = await createSession(page, 'Attachments')
    await setShared(page, sessionId, true)
    await openSession(bob, sessionId)
  })

  const chips = () => page.getByTestId('attachment')
  const names = (window: Page) => window.getByTestId('message-file').locator('a')
  const titles = (window: Page) =>
    names(window).evaluateAll((links) => links.map((link) => link.getAttribute('title')))
  const attach = (...files: (typeof picture)[]) =>
    page.getByTestId('attach-input').setInputFiles(files)

  /** Drops or pastes a file as a browser does. */
  const give = (type: 'drop' | 'paste', { name, mimeType, buffer }: typeof picture) =>
    page.getByTestId('composer').evaluate(
      (field, [event, fileName, fileType, base64]) => {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
        const data = new DataTransfer()
        data.items.add(new File([bytes], fileName, { type: fileType }))
        const init = { bubbles: true, cancelable: true }
        field.dispatchEvent(
          event === 'drop'
            ? new DragEvent('drop', { ...init, dataTransfer: data })
            : new ClipboardEvent('paste', { ...init, clipboardData: data }),
        )
      },
      [type, name, mimeType, buffer.toString('base64')] as const,
    )

  test('files of a new thread’s first message show in every window, and the answer has read them', async () => {
    await attach(picture, notes)
    await expect.poll(() => chips().count()).toBe(2)
    await sendMessage(page, 'What is this?')
    await page.getByTestId('message-list').getByText('What is this?').first().waitFor()
    expect(await chips().count()).toBe(0)
    await expect.poll(() => titles(bob)).toEqual(['shot.png', 'notes.txt'])
    const image = bob.getByTestId('message-file').locator('img')
    await expect.poll(() => image.evaluate((each: HTMLImageElement) => each.naturalWidth)).toBe(1)
    await page.getByText('I received 2 files').waitFor()
    await page.getByText(`image/png, ${PNG.length} B`).waitFor()
    expect(await page.getByTestId('thread-list').locator('li').count()).toBe(1)
  })

  test('files are pasted, dropped and removed; a message may be only files', async () => {
    await give('paste', picture)
    await give('drop', notes)
    await page.locator('[data-testid="attachment"][data-uploaded]').nth(1).waitFor()
    await page.getByRole('button', { name: 'Remove shot.png' }).click()
    await expect.poll(() => chips().count()).toBe(1)
    await page.getByTestId('composer').press('Enter')
    await expect.poll(() => titles(bob)).toEqual(['shot.png', 'notes.txt', 'notes.txt'])
    await page.getByText('I received 1 file').waitFor()
    // No session was made of the dropped file.
    expect(await page.getByTestId('session-list').getByText('notes.txt').count()).toBe(0)
  })

  test('a file that could not be uploaded stays with its reason, and is tried again', async () => {
    await page.route('**/api/uploads/attachments', (route) =>
      route.fulfill({
        status: 413,
        json: { error: { code: 'too_large', message: 'The file is too large.' } },
      }),
    )
    await attach(picture)
    await chips().getByText('The file is too large.').waitFor()
    await page.unroute('**/api/uploads/attachments')
    await page.getByTestId('attachment-retry').click()
    await page.locator('[data-testid="attachment"][data-uploaded]').waitFor()
    await sendMessage(page, 'Now it works')
    await expect.poll(async () => (await titles(bob)).length).toBe(4)
    forgive(ann, /413/)
  })

  test('an edited message keeps its files', async () => {
    const message = page.getByRole('article').filter({ hasText: 'Now it works' }).first()
    await message.hover()
    await message.getByRole('button', { name: 'Edit message' }).click()
    await page.getByTestId('edit-input').fill('Still with a picture')
    await page.getByTestId('edit-save').click()
    const edited = page.getByRole('article').filter({ hasText: 'Still with a picture' }).first()
    await edited.getByTestId('message-file').waitFor()
  })
}
