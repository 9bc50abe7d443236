// @vitest-environment happy-dom
// @vitest-environment-options { "url": "http://app.test/" }
import { eq } from '@tanstack/db'
import { useLiveQuery } from '@tanstack/react-db'
import { act } from '@testing-library/react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { SessionCollections } from '../../../src/collections/index.ts'
import { open } from './support/open.ts'
import { message, session } from './support/rows.ts'

const initialRows = [
  { shape: 'sessions', params: {}, rows: [session('s1', { title: 'Old' })] },
  { shape: 'session-messages', params: { sessionId: 's1' }, rows: [message('m1')] },
]
const OLD = 'ready: Old: Message m1'
const NEW = 'ready: New, Session s2: Message m1'

function Page({ db }: { db: SessionCollections }) {
  const { data, status } = useLiveQuery({
    query: (q) => q.from({ session: db.sessions }).orderBy(({ session }) => session.id),
  })
  // Queries with an equality share one subscription on the newest TanStack DB.
  const { data: messages } = useLiveQuery({
    query: (q) =>
      q
        .from({ message: db.session('s1').messages })
        .where(({ message }) => eq(message.threadId, 'th1')),
  })
  const lists = [data.map(({ title }) => title), messages.map(({ content }) => content)]
  return <p>{[status, ...lists.map((list) => list.join(', '))].join(': ')}</p>
}

test('a page is hydrated with the rows of its HTML, and then shows those of the streams', async () => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  const complain = vi.spyOn(console, 'error')
  onTestFinished(() => complain.mockRestore())
  const server = open({ initialRows, ssr: true })
  const container = document.createElement('div')
  container.innerHTML = renderToString(<Page db={server.db} />)
  expect(container.textContent).toBe(OLD)
  expect(server.shapes.requests).toEqual([])

  const { db, shapes } = open({ initialRows, ssr: false })
  shapes.seed('sessions', [session('s1', { title: 'New', version: 2 }), session('s2')])
  shapes.seed('session-messages/s1', [message('m1')])
  const shown = new Set([container.textContent])
  const observer = new MutationObserver(() => shown.add(container.textContent))
  observer.observe(container, { subtree: true, childList: true, characterData: true })
  const root = await act(() => hydrateRoot(container, <Page db={db} />))
  await vi.waitFor(() => act(() => expect(container.textContent).toBe(NEW)), { timeout: 30_000 })
  expect([...shown]).toEqual([OLD, NEW])
  expect(complain.mock.calls).toEqual([])
  observer.disconnect()
  await act(() => root.unmount())
})
