import type { TimelineEvent } from '@org/session-db'
import { createContext, type ReactNode, useContext, useMemo, useState } from 'react'
import { eventName } from '#/lib/event-names'
import { firstLine } from '#/lib/format'

/** An event that a message refers to, as stored in `metadata.contextEvents`. */
export interface EventReference {
  readonly eventId: string
  readonly seq: number
  /** The event's name. */
  readonly title: string
  /** The first words of the event. */
  readonly text?: string
}

interface References {
  /** The events that the next message refers to. */
  readonly chosen: readonly EventReference[]
  add(event: TimelineEvent): void
  remove(eventId: string): void
  /** Clears the selection. */
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

/** Connects timeline and chat: events are selected there and sent with a message here. */
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
