import type { ChatMessage } from '@org/session-db'
import { useEffect, useRef, useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { userName } from '#/lib/organization'

interface AnnouncerProps {
  messages: readonly ChatMessage[]
  isReady: boolean
}

/** Announces new messages to screen readers: an answer when it starts and when it is complete. */
export function Announcer({ messages, isReady }: AnnouncerProps) {
  const { user } = useSessionDb()
  const [text, setText] = useState('')
  const last = messages.at(-1)
  const key = last && `${last.id} ${last.status}`
  const told = useRef<string>(undefined)
  useEffect(() => {
    if (!isReady || told.current === key) return
    const isFirst = told.current === undefined
    told.current = key ?? ''
    if (isFirst || last === undefined || (last.role === 'user' && last.authorId === user.id)) return
    setText(announcement(last))
  }, [key, last, isReady, user.id])
  return (
    <p role="status" className="sr-only" data-testid="announcer">
      {text}
    </p>
  )
}

function announcement({ role, authorId, status, content }: ChatMessage): string {
  const name = role === 'user' ? userName(authorId) : 'The assistant'
  if (status === 'streaming') return `${name} is answering.`
  if (status === 'error') return `${name} did not finish the answer.`
  return `${name}: ${content.slice(0, 300)}`
}
