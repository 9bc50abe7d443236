import type { TimelineEvent } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ListX } from 'lucide-react'
import { useEffect, useEffectEvent, useRef, useState } from 'react'
import { count } from '#/lib/format'
import { Notice, Skeleton } from './screens'
import { useSessionDb } from './session-db'
import { TimelineRow } from './timeline-row'
import { Segmented } from './ui/segmented'

const PAGE = 200

const filters = {
  all: () => true,
  messages: (event: TimelineEvent) => event.kind === 'message',
  tools: (event: TimelineEvent) => ['tool_call', 'tool_result', 'file_change'].includes(event.kind),
}

export function Timeline({ sessionId }: { sessionId: string }) {
  const { db } = useSessionDb()
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const { events: filter = 'all' } = useSearch({ from: '/_app/sessions/$sessionId' })
  const timeline = db.session(sessionId).timeline
  const { data, isReady } = useLiveQuery({
    query: (q) => q.from({ event: timeline }).orderBy(({ event }) => event.seq),
  })
  const events = data.filter(filters[filter])

  return (
    <>
      <div className="flex h-12 shrink-0 items-center justify-between gap-2 px-3 sm:px-4">
        <Segmented
          label="Events to show"
          value={filter}
          options={[
            { value: 'all', label: 'All' },
            { value: 'messages', label: 'Messages' },
            { value: 'tools', label: 'Tools' },
          ]}
          onChange={(next) =>
            navigate({
              search: (search) => ({ ...search, events: next === 'all' ? undefined : next }),
              replace: true,
            })
          }
        />
        <span className="text-xs text-muted-foreground" data-testid="event-count">
          {count(events.length, 'event')}
        </span>
      </div>
      <div data-testid="timeline" className="flex min-h-0 flex-1 flex-col overflow-y-auto">
        {!isReady && data.length === 0 && <Skeleton rows={8} />}
        {isReady && events.length === 0 && (
          <Notice icon={ListX} title="No events">
            {data.length === 0
              ? 'Nothing was recorded here. You can still chat about it.'
              : 'Nothing of this kind. Choose “All” to see everything.'}
          </Notice>
        )}
        {events.length > 0 && <EventList key={filter} events={events} />}
      </div>
    </>
  )
}

/** Renders a page of events, and the next one whenever its end comes near the screen. */
function EventList({ events }: { events: readonly TimelineEvent[] }) {
  const [shown, setShown] = useState(PAGE)
  return (
    <>
      <ol className="px-3 pb-6 sm:px-4">
        {events.slice(0, shown).map((event) => (
          <TimelineRow key={event.id} event={event} />
        ))}
      </ol>
      {shown < events.length && <NearScreen key={shown} onNear={() => setShown(shown + PAGE)} />}
    </>
  )
}

/** Calls once when the user has scrolled close to it. */
function NearScreen({ onNear }: { onNear: () => void }) {
  const place = useRef<HTMLDivElement>(null)
  const notify = useEffectEvent(onNear)
  useEffect(() => {
    if (place.current === null) return
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && notify(), {
      rootMargin: '1500px',
    })
    observer.observe(place.current)
    return () => observer.disconnect()
  }, [])
  return <div ref={place} className="h-px shrink-0" />
}
