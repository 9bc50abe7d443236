import type { TimelineEvent } from '@org/session-db'
import { createContext, type ReactNode, useContext, useMemo, useState } from 'react'
import { eventName } from '#/lib/event-names'
import { firstLine } from '#/lib/format'

/** An event that a message is about, as `metadata.contextEvents` holds it. */
export interface EventReference {
  readonly eventId: string
  readonly seq: number
  /** What to call the event. */
  readonly title: string
  /** How it begins. */
  readonly text?: string
}

interface References {
  /** What the next message will be about. */
  readonly chosen: readonly EventReference[]
  add(event: TimelineEvent): void
  remove(eventId: string): void
  /** Empties the choice. */
  clear(): void
}

const ReferencesContext = createContext<References | null>(null)

export function useReferences(): References {
  const value = useContext(ReferencesContext)
  if (value === null) throw new Error('useReferences is used outside ReferencesProvider')
  return value
}

function referenceTo(event: TimelineEvent): EventReference {
  const text = firstLine(event.text ?? '').slice(0, 200)
  const title = [eventName(event), event.toolName].filter(Boolean).join(' ')
  return { eventId: event.id, seq: event.seq, title, ...(text && { text }) }
}

/** Joins timeline and chat: events are chosen there and sent along here. */
export function ReferencesProvider({ children }: { children: ReactNode }) {
  const [chosen, setChosen] = useState<readonly EventReference[]>([])
  const value = useMemo<References>(
    () => ({
      chosen,
      add: (event) =>
        setChosen((before) =>
          before.some(({ eventId }) => eventId === event.id)
            ? before
            : [...before, referenceTo(event)],
        ),
      remove: (eventId) => setChosen((before) => before.filter((each) => each.eventId !== eventId)),
      clear: () => setChosen([]),
    }),
    [chosen],
  )
  return <ReferencesContext value={value}>{children}</ReferencesContext>
}
