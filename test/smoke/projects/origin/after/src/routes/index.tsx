import { and, eq, not } from '@tanstack/db'
import { useLiveQuery } from '@tanstack/react-db'
import { createFileRoute } from '@tanstack/react-router'
import type { FormEvent } from 'react'
import { getChat, sendMessage } from '../lib/chat.functions'
import { sessionDb } from '../lib/session-db'

export const Route = createFileRoute('/')({
  ssr: false,
  loader: async () => {
    const { sessionId, thread } = await getChat()
    return { sessionId, threadId: thread.id }
  },
  component: Chat,
})

function Chat() {
  const { sessionId, threadId } = Route.useLoaderData()
  const { messages } = sessionDb.session(sessionId)
  const { data: rows } = useLiveQuery(
    (q) =>
      q
        .from({ message: messages })
        .where(({ message }) => and(eq(message.threadId, threadId), not(eq(message.role, 'tool'))))
        .orderBy(({ message }) => message.position),
    [messages, threadId],
  )
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const text = String(new FormData(form).get('text'))
    form.reset()
    await sendMessage({ data: text })
  }
  return (
    <main>
      <ul>
        {rows.map(({ id, role, content }) => (
          <li key={id}>
            {role}: {content}
          </li>
        ))}
      </ul>
      <form onSubmit={send}>
        <label>
          Message <input name="text" autoComplete="off" />
        </label>
      </form>
    </main>
  )
}
