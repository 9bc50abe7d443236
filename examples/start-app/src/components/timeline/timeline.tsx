import type { Session } from '@org/session-db'
import { Link, useSearch } from '@tanstack/react-router'
import { CircleAlert, Hourglass, ListX, RefreshCw, Upload } from 'lucide-react'
import { type ComponentProps, useMemo, useRef } from 'react'
import { Notice, Skeleton } from '#/components/screens'
import { useSessionDb } from '#/components/session-db'
import { useUploads } from '#/components/sessions/uploads'
import { PaneLoading, StreamNotice } from '#/components/sync-badge'
import { Button } from '#/components/ui/button'
import { later } from '#/lib/later'
import { filterOf } from '#/lib/session-page-search'
import { isProcessing } from '#/lib/session-search'
import { EventList } from './event-list'
import type { TimelineLook, TimelineSource } from './timeline-source'
import { ClearFilter, TimelineToolbar } from './timeline-toolbar'
import { useShortTimeline } from './use-short-timeline'

const LongTimeline = later(() => import('./use-long-timeline'), <Skeleton rows={8} />)

/** Sessions with more events than this are loaded window by window. */
const LONG_EVENTS = 2_000

/** The events of a session of any length. */
export function Timeline({ session }: { session: Session }) {
  if (session.status === 'failed') {
    return <FailedLog session={session} />
  }
  if (isProcessing(session)) {
    return (
      <Notice icon={Hourglass} title="The log is on its way" testId="session-processing">
        Its timeline appears here by itself as soon as it has been read.
      </Notice>
    )
  }
  return <ReadTimeline session={session} />
}

function FailedLog({ session }: { session: Session }) {
  const { user } = useSessionDb()
  const { choose } = useUploads()
  return (
    <Notice icon={CircleAlert} title="This log could not be read" testId="session-failed">
      <p>{session.statusReason ?? 'No reason was given.'}</p>
      {session.ownerId === user.id && (
        <>
          <p className="mt-2">Upload another file, and delete this session with its menu.</p>
          <Button className="mt-3" size="sm" onClick={choose}>
            <Upload /> Upload a log
          </Button>
        </>
      )}
    </Notice>
  )
}

function useFilter() {
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const key = JSON.stringify(filterOf(search) ?? null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same filter stays the same object
  return useMemo(() => filterOf(search), [key])
}

/** A filter lists events, whatever the view. */
function useLook(): TimelineLook {
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  return search.events === 'all' || filterOf(search) ? 'events' : 'conversation'
}

function ReadTimeline({ session }: { session: Session }) {
  const props = {
    session,
    filter: useFilter(),
    look: useLook(),
    show: (source: TimelineSource) => <TimelinePane session={session} source={source} />,
  }
  return session.eventCount > LONG_EVENTS ? (
    <LongTimeline {...props} />
  ) : (
    <ShortTimeline {...props} />
  )
}

function ShortTimeline({ session, filter, look, show }: ComponentProps<typeof LongTimeline>) {
  return show(useShortTimeline(session, filter, look))
}

/** On a wide screen the chat is beside the timeline. */
function OpenChat() {
  return (
    <>
      <p>Nothing was recorded here. You can still chat about it.</p>
      <Link
        from="/sessions/$sessionId"
        to="."
        search={(search) => ({ ...search, view: 'chat' })}
        className="mt-3 inline-block font-medium text-accent-text underline underline-offset-4 xl:hidden"
      >
        Open the chat
      </Link>
    </>
  )
}

function TimelinePane({ session, source }: { session: Session; source: TimelineSource }) {
  const { db } = useSessionDb()
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const filter = filterOf(search)
  const seen = useRef<number>(undefined)
  return (
    <>
      <TimelineToolbar session={session} source={source} />
      {source.status && source.count > 0 && <StreamNotice status={source.status} />}
      {source.failure && (
        <div className="flex items-center gap-2 border-y bg-danger-soft px-4 py-2 text-xs text-danger">
          <p role="alert" className="min-w-0 flex-1">
            Not all events could be loaded: {source.failure}
          </p>
          <Button size="sm" onClick={() => window.location.reload()}>
            <RefreshCw /> Reload
          </Button>
        </div>
      )}
      {!source.isReady && source.count === 0 ? (
        <PaneLoading
          status={source.status ?? db.status(db.session(session.id).timeline)}
          rows={8}
        />
      ) : source.count === 0 ? (
        <Notice icon={ListX} title={filter ? 'No event matches' : 'No events'} testId="no-events">
          {filter ? <ClearFilter /> : <OpenChat />}
        </Notice>
      ) : (
        <EventList
          key={JSON.stringify([filter, source.conversation === null])}
          session={session}
          source={source}
          at={search.at}
          query={search.text ?? ''}
          seen={seen}
        />
      )}
    </>
  )
}
