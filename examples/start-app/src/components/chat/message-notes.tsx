import type { ChatMessage } from '@org/session-db'
import { Link } from '@tanstack/react-router'
import { type LucideIcon, MessageSquareQuote, Scale } from 'lucide-react'
import { type MessageNote, notesOf } from '#/lib/message-notes'
import { noFilter } from '#/lib/session-page-search'

const looks: Record<'contextEvents' | 'evidence', { label: string; icon: LucideIcon }> = {
  contextEvents: { label: 'About these events', icon: MessageSquareQuote },
  evidence: { label: 'Evidence', icon: Scale },
}

interface MessageNotesProps {
  message: ChatMessage
  name: keyof typeof looks
}

/** The events that a message refers to, as subject or as evidence. */
export function MessageNotes({ message, name }: MessageNotesProps) {
  const { label, icon: Icon } = looks[name]
  return (
    <ul aria-label={label} data-testid={name} className="my-1 space-y-1 empty:hidden">
      {notesOf(message, name).map((note, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: notes have no ids and never change places
        <li key={index} className="flex gap-1.5 border-l-2 border-accent/50 pl-2 text-xs leading-5">
          <Icon className="mt-1 size-3 shrink-0 text-accent-text" aria-hidden />
          <span className="min-w-0">
            <NoteTitle note={note} />
            {note.text && (
              <span className="line-clamp-2 break-words text-muted-foreground">{note.text}</span>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}

function NoteTitle({ note: { title, seq } }: { note: MessageNote }) {
  if (seq === undefined) return <span className="font-medium">{title}</span>
  return (
    <Link
      to="."
      search={(search) => ({ ...search, ...noFilter, view: undefined, at: seq })}
      data-testid={`go-to-event-${seq}`}
      className="font-medium text-accent-text underline-offset-2 hover:underline"
    >
      {title} #{seq}
    </Link>
  )
}
