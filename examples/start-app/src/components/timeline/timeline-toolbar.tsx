import type { Session } from '@org/session-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ListFilter } from 'lucide-react'
import { Button } from '#/components/ui/button'
import { Popover } from '#/components/ui/popover'
import { SearchField } from '#/components/ui/search-field'
import { Segmented } from '#/components/ui/segmented'
import { kindNames, roleName } from '#/lib/event-names'
import { count } from '#/lib/format'
import { filterOf, noFilter } from '#/lib/session-page-search'
import { FacetGroup } from './facet-group'
import { JumpToTime } from './jump-to-time'
import type { TimelineSource } from './timeline-source'

interface TimelineToolbarProps {
  session: Session
  source: TimelineSource
}

/** The filters of a timeline and its position, all in the URL. */
export function TimelineToolbar({ session, source }: TimelineToolbarProps) {
  const {
    text = '',
    kinds,
    roles,
    tools,
    events,
  } = useSearch({ from: '/_app/sessions/$sessionId' })
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const chosen = [kinds, roles, tools].reduce((sum, values) => sum + (values?.length ?? 0), 0)
  return (
    <div
      role="toolbar"
      aria-label="Timeline"
      className="@container flex shrink-0 flex-wrap items-center gap-1.5 px-3 py-2 sm:px-4"
    >
      <Segmented
        label="How to show the timeline"
        value={events === 'all' ? 'all' : 'conversation'}
        options={[
          { value: 'conversation', label: 'Conversation', testId: 'look-conversation' },
          { value: 'all', label: 'All events', testId: 'look-all' },
        ]}
        onChange={(next) =>
          navigate({
            search: (search) => ({ ...search, events: next === 'all' ? next : undefined }),
            replace: true,
          })
        }
        className="shrink-0"
      />
      <SearchField
        label="Search this timeline"
        placeholder="Search events"
        testId="timeline-search"
        value={text}
        onChange={(next) =>
          navigate({ search: (search) => ({ ...search, text: next || undefined }), replace: true })
        }
      />
      <Popover
        trigger={
          <Button size="sm" data-testid="timeline-filter" aria-label="Filter events">
            <ListFilter />
            <span className="hidden @xl:inline">Filter</span>
            {chosen > 0 && (
              <span className="rounded-full bg-accent px-1.5 text-[11px] text-accent-foreground">
                {chosen}
              </span>
            )}
          </Button>
        }
      >
        <FacetGroup title="Kind" param="kinds" facets={source.facets.kinds} nameOf={kindOf} />
        <FacetGroup title="Role" param="roles" facets={source.facets.roles} nameOf={roleName} />
        <FacetGroup title="Tool" param="tools" facets={source.facets.tools} nameOf={asItIs} />
        {chosen > 0 && <ClearFilter />}
      </Popover>
      <span className="@max-md:hidden">
        <JumpToTime session={session} source={source} />
      </span>
      <EventCount session={session} source={source} />
    </div>
  )
}

const kindOf = (kind: string) => kindNames[kind as keyof typeof kindNames]
const asItIs = (name: string) => name

function EventCount({ session, source }: TimelineToolbarProps) {
  const filtered = filterOf(useSearch({ from: '/_app/sessions/$sessionId' })) !== undefined
  const total = source.facets.kinds.reduce((sum, { count }) => sum + count, 0)
  const all = total || session.eventCount
  return (
    <span
      role="status"
      data-testid="event-count"
      className="hidden shrink-0 pl-1 text-xs text-muted-foreground tabular-nums @2xl:inline @max-2xl:data-filtered:inline"
      data-filtered={filtered || undefined}
    >
      {!source.isReady
        ? 'Searching …'
        : filtered
          ? `${source.count.toLocaleString()} of ${count(all, 'event')}`
          : count(all, 'event')}
    </span>
  )
}

/** Clears the filter. */
export function ClearFilter() {
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  return (
    <Button
      size="sm"
      className="mt-3"
      data-testid="clear-events-filter"
      onClick={() => navigate({ search: (search) => ({ ...search, ...noFilter }), replace: true })}
    >
      Show all events
    </Button>
  )
}
