import pg from 'pg'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { createSession, messageTexts, openSession, sendMessage, setShared } from '../support/app.ts'
import type { World } from './world.ts'

/** Stories of what two people see of each other's chats, and of answers. */
export function conversationStories(world: () => World): void {
  let ann: Page
  let bob: Page

  beforeAll(async () => {
    const options = { answers: true, permissions: ['clipboard-read', 'clipboard-write'] }
    ann = (await world().open('ann', options)).page
    bob = (await world().open('bob')).page
  })

  async function start(title: string): Promise<string> {
    const sessionId = await createSession(ann, title)
    await setShared(ann, sessionId, true)
    await openSession(bob, sessionId)
    return sessionId
  }

  const composer = (page: Page) => page.getByTestId('composer')
  const answers = (page: Page, status = 'complete') =>
    page.locator(`[data-role="assistant"][data-status="${status}"]`)
  const questions = (page: Page) =>
    page.locator('[data-role="user"]').getByTestId('message-content').allInnerTexts()
  const shownThread = (page: Page) =>
    page.locator('[data-testid="thread-list"] [data-selected]').getAttribute('data-testid')
  async function act(page: Page, text: string | RegExp, name: string) {
    const message = page.getByRole('article').filter({ hasText: text }).first()
    await message.hover()
    await message.getByRole('button', { name }).click()
  }

  describe('two people', () => {
    test('what Bob is typing stays in his thread when Ann starts, archives and deletes others', async () => {
      await start('Bob keeps his place')
      await sendMessage(ann, 'The first thread')
      await bob.getByTestId('message-list').getByText('The first thread').first().waitFor()
      const first = await shownThread(bob)
      await composer(bob).fill('Half of what Bob')

      // A new thread is stored with its first message.
      await ann.getByTestId('new-thread').click()
      await ann.getByText('a thread starts with it').waitFor()
      expect(await ann.locator('[data-testid="thread-list"] li').count()).toBe(1)
      await sendMessage(ann, 'The second thread')
      await bob.getByTestId('thread-started').getByText('Ann started a thread').waitFor()
      expect(await shownThread(bob)).toBe(first)
      expect(await composer(bob).inputValue()).toBe('Half of what Bob')
      await composer(bob).pressSequentially(' says')
      await composer(bob).press('Enter')
      await expect.poll(() => questions(bob)).toEqual(['The first thread', 'Half of what Bob says'])
      expect(await questions(ann)).toEqual(['The second thread'])

      // Each thread has its own draft.
      await composer(bob).fill('for the first')
      await bob.getByTestId('view-thread').click()
      await bob.getByTestId('message-list').getByText('The second thread').first().waitFor()
      expect(await composer(bob).inputValue()).toBe('')
      await composer(bob).fill('for the second')

      const second = await shownThread(ann)
      await ann.getByTestId((second ?? '').replace('thread-', 'thread-menu-')).click()
      await ann.getByTestId('delete-thread').click()
      await ann.getByTestId(second ?? '').waitFor({ state: 'detached' })
      await bob.getByTestId('thread-gone').waitFor()
      expect(await composer(bob).inputValue()).toBe('for the second')
      await bob.getByRole('button', { name: 'Show another thread' }).click()
      expect(await composer(bob).inputValue()).toBe('for the first')
      await composer(bob).fill('')
    })

    test('both edit the same conversation: each keeps reading, and no version is lost', async () => {
      await start('Two editors')
      await sendMessage(ann, 'Noodles or rice?')
      await answers(ann).waitFor()
      await sendMessage(bob, 'Rice')
      await expect.poll(() => questions(ann)).toEqual(['Noodles or rice?', 'Rice'])

      await act(ann, 'Noodles or rice?', 'Edit message')
      await ann.getByTestId('edit-input').fill('Noodles or bread?')
      await ann.getByTestId('edit-save').click()
      await expect.poll(() => questions(ann)).toEqual(['Noodles or bread?'])
      await answers(ann).getByText('Noodles or bread?').waitFor()
      // Bob's view has not moved, and he writes where he reads.
      await bob.getByTestId('follow-branch').waitFor()
      expect(await questions(bob)).toEqual(['Noodles or rice?', 'Rice'])
      await act(bob, /Rice/, 'Edit message')
      await bob.getByTestId('edit-input').fill('Brown rice')
      await bob.getByTestId('edit-save').click()
      await expect.poll(() => questions(bob)).toEqual(['Noodles or rice?', 'Brown rice'])
      expect(await questions(ann)).toEqual(['Noodles or bread?'])

      await ann.getByTestId('follow-branch').click()
      await expect.poll(() => questions(ann)).toEqual(['Noodles or rice?', 'Brown rice'])
      const versions = ann.getByTestId('versions')
      expect(await versions.allInnerTexts()).toEqual(['1 / 2', '2 / 2'])
      await versions.first().getByRole('button', { name: 'Next version' }).click()
      await expect.poll(() => questions(ann)).toEqual(['Noodles or bread?'])
    })
  })

  describe('answers', () => {
    test('a sign of life until the first word, another answer beside it, copying, single newlines', async () => {
      await createSession(ann, 'Answers')
      await sendMessage(ann, 'one line\nanother line')
      await ann.getByText('The assistant is thinking').first().waitFor({ state: 'attached' })
      await answers(ann).waitFor()
      expect((await questions(ann))[0]).toBe('one line\nanother line')
      await act(ann, 'echo model', 'Copy message')
      expect(await ann.evaluate(() => navigator.clipboard.readText())).toMatch(/^You asked/)
      await act(ann, 'echo model', 'Answer again')
      await ann.getByTestId('versions').getByText('2 / 2').waitFor()
      expect(await ann.locator('[data-role="assistant"]').count()).toBe(1)
      await answers(ann).waitFor()
    })

    test('an answer shows its usage, is rated and commented on, and its code is copied', async () => {
      await createSession(ann, 'Feedback')
      await sendMessage(ann, 'Was it good?')
      const note = ann.getByTestId('answer-note')
      await note.getByText(/^echo · \d+ tokens · [\d.]+ s$/).waitFor()
      await ann.getByTestId('copy-code').click()
      expect(await ann.evaluate(() => navigator.clipboard.readText())).toContain('streamText({')
      await ann.locator('.code-block').getByText('ts', { exact: true }).waitFor()

      await act(ann, 'echo model', 'Good answer')
      await note.getByText('you rated it good').waitFor()
      await act(ann, 'echo model', 'Bad answer')
      await ann.getByTestId('feedback-comment').fill('It only repeats me.')
      await ann.getByTestId('feedback-save').click()
      await note.getByText('you rated it bad · with your comment').waitFor()
      await ann.locator('[data-testid="sync-status"][data-state="synced"]').waitFor()
      await ann.reload()
      await note.getByText('you rated it bad · with your comment').waitFor()
      await act(ann, 'echo model', 'Bad answer')
      await note.getByText('you rated it').waitFor({ state: 'detached' })
      // One stop of the Tab key for all actions of a message.
      const stops = ann.locator('[role="toolbar"][aria-label="Actions"]').first().locator('button')
      const tabbed = await stops.evaluateAll((all) =>
        all.filter((each) => (each as HTMLElement).tabIndex >= 0),
      )
      expect(tabbed.length).toBe(1)
    })

    test('an answer is stopped in a tool call with Escape, and goes on', async () => {
      await createSession(ann, 'Tools')
      await sendMessage(ann, 'Look up tides')
      await ann.locator('[data-testid="tool-call"][data-state="input-available"]').waitFor()
      await composer(ann).press('Escape')
      await ann.locator('[data-testid="tool-call"][data-state="output-error"]').waitFor()
      await ann.getByTestId('retry-answer').click()
      await answers(ann).getByText('echo model').first().waitFor()
    })

    test('a tool call waits for leave, which is given or refused', async () => {
      await createSession(ann, 'Approvals')
      await sendMessage(ann, 'Run `npm ci`')
      await ann.getByTestId('approve').click()
      await ann.locator('[data-testid="tool-call"][data-state="output-available"]').waitFor()
      await answers(ann).getByText('The command has run').waitFor()
      await sendMessage(ann, 'Run `rm -rf /`')
      await ann.getByTestId('deny').click()
      await ann.locator('[data-testid="tool-call"][data-state="output-denied"]').waitFor()
      await answers(ann).getByText('Then I will not run it').waitFor()
    })
  })

  test('a thread of 20,000 messages opens at its end, loads older ones on scroll, and jumps back', async () => {
    const sessionId = await createSession(ann, 'Long')
    await ann.getByTestId('wants-answer').click()
    await sendMessage(ann, 'Message 1')
    await expect.poll(() => shownThread(ann)).toMatch(/^thread-/)
    const threadId = ((await shownThread(ann)) ?? '').slice('thread-'.length)
    const database = new pg.Client({ connectionString: world().demo.databaseUrl })
    await database.connect()
    await ann.goto(world().demo.url)
    await database.query(
      `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
       SELECT 'acme', $1 || '-' || n, $1, $2, 'bob', 'user', 'Message ' || n, n
       FROM generate_series(2, 20000) n`,
      [threadId, sessionId],
    )
    await database.end()
    await openSession(ann, sessionId)
    await ann.getByTestId('message-list').getByText('Message 20000').first().waitFor()
    expect((await messageTexts(ann)).length).toBeLessThanOrEqual(100)

    const list = ann.getByTestId('message-list')
    const oldest = (await questions(ann))[0] ?? ''
    const topOf = (scrollTo?: number) =>
      list.evaluate(
        (element, [text, top]) => {
          if (top !== undefined) element.scrollTo({ top: Number(top) })
          const shown = [...element.querySelectorAll('[data-testid="message-content"]')]
          return (
            shown.find(({ textContent }) => textContent === text)?.getBoundingClientRect().y ?? 0
          )
        },
        [oldest, scrollTo] as const,
      )
    const before = await topOf(300)
    await expect.poll(async () => (await questions(ann)).length).toBeGreaterThan(100)
    // The messages on the screen have not moved.
    expect(Math.abs((await topOf()) - before)).toBeLessThan(40)
    await ann.getByTestId('jump-to-latest').click()
    await expect
      .poll(() =>
        list.getByText('Message 20000').evaluate((last) => last.getBoundingClientRect().y),
      )
      .toBeLessThan(900)
  })
}
