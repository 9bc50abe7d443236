import { createCollection } from '@tanstack/db'
import { QueryClient } from '@tanstack/query-core'
import { queryCollectionOptions } from '@tanstack/query-db-collection'
import { useLiveQuery } from '@tanstack/react-db'
import { createFileRoute } from '@tanstack/react-router'
import type { FormEvent } from 'react'
import { getChat, sendMessage } from '../lib/chat.functions'

export const Route = createFileRoute('/')({ ssr: false, component: Chat })

const messages = createCollection(
  queryCollectionOptions({
    queryKey: ['messages'],
    queryFn: async () => (await getChat()).messages,
    queryClient: new QueryClient(),
    getKey: (message) => message.id,
  }),
)

function Chat() {
  const { data: rows } = useLiveQuery((q) => q.from({ message: messages }))
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const text = String(new FormData(form).get('text'))
    form.reset()
    await sendMessage({ data: text })
    await messages.utils.refetch()
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
