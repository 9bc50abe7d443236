// @vitest-environment happy-dom
// @vitest-environment-options { "url": "http://app.test/" }
import { useLiveQuery } from '@tanstack/react-db'
import { cleanup, configure, fireEvent, render, screen } from '@testing-library/react'
import { setupServer } from 'msw/node'
import type { FormEvent } from 'react'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createSessionCollections, type SessionCollections } from '../../../src/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'

/** The component test of docs/testing.md. */
configure({ asyncUtilTimeout: 30_000 }) // for slow machines
const error = vi.spyOn(console, 'error')
afterAll(() => expect(error.mock.calls).toEqual([]))

const electricUrl = '/api/shapes'
const mock = createShapeMock({
  electricUrl,
  tables: {
    sessions: [{ id: 's1' }],
    chatThreads: [{ id: 't1', sessionId: 's1' }],
    chatMessages: [{ id: 'm1', threadId: 't1', content: 'Why does it fail?' }],
  },
})
const server = setupServer(...mock.handlers)
let db: SessionCollections
beforeAll(() => server.listen())
afterEach(async () => {
  cleanup() // first the components, then their collections, then the rows
  await db.cleanup()
  mock.reset()
})
afterAll(() => server.close())

function Messages() {
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  const { data } = useLiveQuery({
    query: (q) => q.from({ message: messages }).orderBy(({ message }) => message.position),
  })
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const content = String(new FormData(event.currentTarget).get('text'))
    messages.insert({ threadId: 't1', role: 'user', content })
  }
  return (
    <form onSubmit={send}>
      {data.map(({ id, content }) => (
        <p key={id}>{content}</p>
      ))}
      <input name="text" aria-label="Message" />
    </form>
  )
}

test('shows messages and sends one', async () => {
  db = createSessionCollections({ electricUrl, writeAdapter: createMemoryWriteAdapter(mock) })
  render(<Messages />)
  await screen.findByText('Why does it fail?')

  const input = screen.getByLabelText('Message')
  fireEvent.change(input, { target: { value: 'And now?' } })
  fireEvent.submit(input)
  await screen.findByText('And now?')
  await expect.poll(() => mock.rows('chatMessages').length).toBe(2)

  mock.insert('chatMessages', { threadId: 't1', role: 'assistant', content: 'Let me look.' })
  await screen.findByText('Let me look.')
})
