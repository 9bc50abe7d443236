import { useNavigate, useSearch } from '@tanstack/react-router'
import { Archive, Inbox, Plus, SearchX, Upload } from 'lucide-react'
import { lazy, Suspense, useState, useSyncExternalStore } from 'react'
import { Notice, Skeleton } from '#/components/screens'
import { useReport, useSessionDb } from '#/components/session-db'
import { PaneLoading } from '#/components/sync-badge'
import { Button } from '#/components/ui/button'
import { TitleDialog } from '#/components/ui/later-dialogs'
import { Segmented } from '#/components/ui/segmented'
import { Tooltip } from '#/components/ui/tooltip'
import { count } from '#/lib/format'
import { moveInRows } from '#/lib/row-keys'
import { noListSearch } from '#/lib/session-search'
import { useChangedElsewhere } from '#/lib/use-changed-elsewhere'
import { useStored } from '#/lib/use-stored'
import { SearchHits } from './search-hits'
import { SessionFilters } from './session-filters'
import { SessionItem } from './session-item'
import { UploadList } from './upload-list'
import { useUploads } from './uploads'
import { useHits } from './use-hits'
import { useSessions } from './use-sessions'

// The list of chats needs two more shapes, which the first paint does not wait for.
const chats = () => import('#/components/chats/chat-list')
const ChatList = lazy(async () => ({ default: (await chats()).ChatList }))
const UnreadChats = lazy(async () => ({ default: (await chats()).UnreadChats }))

/** The sessions, or the chats of all of them. */
export function SideList() {
  const [list, setList] = useStored('localStorage', 'list')
  return (
    <>
      <ListHeader list={list} onChoose={setList} />
      {list === 'chats' ? (
        <>
          <UploadList />
          <Suspense fallback={<Skeleton />}>
            <ChatList onSessions={() => setList('')} />
          </Suspense>
        </>
      ) : (
        <SessionList />
      )}
    </>
  )
}

function SessionList() {
  const { db } = useSessionDb()
  const search = useSearch({ from: '/_app' })
  const { isReady, sessions, current, archived } = useSessions(search)
  const changed = useChangedElsewhere(sessions, useIsCaughtUp())
  const found = useHits(search.q ?? '')
  const [opened, setOpened] = useState(false)
  const showsArchived = opened || search.status === 'archived'
  const filtered = Boolean(search.q || search.format || search.repo || search.status)
  const shown = search.status === 'archived' ? [] : current
  const isEmpty = isReady && shown.length === 0 && !(showsArchived && archived.length > 0)
  return (
    <>
      <SessionFilters />
      <UploadList />
      <div data-testid="session-list" className="flex min-h-0 flex-1 flex-col overflow-y-auto pb-4">
        {!isReady && sessions.length === 0 && <PaneLoading status={db.status(db.sessions)} />}
        {isEmpty && !filtered && <NoSessions />}
        {/* Only after the events and messages were searched as well. */}
        {isEmpty && filtered && found.isCurrent && found.count === 0 && <NothingFound />}
        <ul aria-label="Sessions" className="space-y-0.5 px-2 empty:hidden" onKeyDown={moveInRows}>
          {shown.map((session) => (
            <SessionItem key={session.id} session={session} changed={changed.has(session.id)} />
          ))}
        </ul>
        {archived.length > 0 && search.status !== 'archived' && (
          <button
            type="button"
            data-testid="show-archived"
            aria-expanded={opened}
            onClick={() => setOpened(!opened)}
            className="mx-2 mt-3 flex items-center gap-2 rounded-lg px-2.5 py-1.5 text-xs font-medium text-muted-foreground hover:bg-muted"
          >
            <Archive className="size-3.5" aria-hidden />
            {opened ? 'Hide' : 'Show'} {count(archived.length, 'archived session')}
          </button>
        )}
        {showsArchived && archived.length > 0 && (
          <ul
            aria-label="Archived sessions"
            className="mt-1 space-y-0.5 px-2"
            onKeyDown={moveInRows}
          >
            {archived.map((session) => (
              <SessionItem key={session.id} session={session} changed={changed.has(session.id)} />
            ))}
          </ul>
        )}
        {search.q && <SearchHits answer={found} />}
      </div>
    </>
  )
}

/** Returns false while the list only has the rows of the server's HTML. */
function useIsCaughtUp(): boolean {
  const { db } = useSessionDb()
  const status = db.status(db.sessions)
  return useSyncExternalStore(
    status.subscribe,
    () => status.get().lastSyncedAt !== null,
    () => false,
  )
}

interface ListHeaderProps {
  list: string
  onChoose: (list: string) => void
}

function ListHeader({ list, onChoose }: ListHeaderProps) {
  const { choose } = useUploads()
  const [creating, setCreating] = useState(false)
  return (
    <div className="flex h-12 shrink-0 items-center gap-0.5 pr-2 pl-3">
      <Segmented
        label="What to list"
        value={list === 'chats' ? list : 'sessions'}
        options={[
          { value: 'sessions', label: 'Sessions', testId: 'list-sessions' },
          {
            value: 'chats',
            label: (
              <>
                Chats
                <Suspense>
                  <UnreadChats />
                </Suspense>
              </>
            ),
            testId: 'list-chats',
          },
        ]}
        onChange={(next) => onChoose(next === 'chats' ? next : '')}
        className="mr-auto"
      />
      <Tooltip label="Upload session logs">
        <Button
          variant="ghost"
          size="icon"
          aria-label="Upload session logs"
          data-testid="upload"
          onClick={choose}
        >
          <Upload />
        </Button>
      </Tooltip>
      <Tooltip label="New session without a log">
        <Button
          variant="ghost"
          size="icon"
          aria-label="New session"
          data-testid="new-session"
          onClick={() => setCreating(true)}
        >
          <Plus />
        </Button>
      </Tooltip>
      {creating && <NewSessionDialog onClose={() => setCreating(false)} />}
    </div>
  )
}

function NoSessions() {
  const { choose } = useUploads()
  return (
    <Notice icon={Inbox} title="No sessions yet" testId="no-sessions">
      <p>Drop the log of a coding agent here, or ask a colleague to share theirs.</p>
      <Button className="mt-4" size="sm" onClick={choose}>
        <Upload /> Upload a log
      </Button>
    </Notice>
  )
}

function NothingFound() {
  const navigate = useNavigate()
  return (
    <Notice icon={SearchX} title="No session matches" testId="no-match">
      <Button
        className="mt-3"
        size="sm"
        data-testid="clear-filters"
        onClick={() =>
          navigate({
            to: '.',
            search: (search) => ({ ...search, ...noListSearch }),
          })
        }
      >
        Show all sessions
      </Button>
    </Notice>
  )
}

function NewSessionDialog({ onClose }: { onClose: () => void }) {
  const { db } = useSessionDb()
  const report = useReport()
  const navigate = useNavigate()
  return (
    <TitleDialog
      title="New session"
      description="An empty session to chat in. It stays private until you share it."
      initial=""
      action="Create"
      onClose={onClose}
      onSubmit={(title) => {
        const { id } = report(
          'The session was not created',
          db.actions.createSession({ title, format: 'other', source: 'external' }),
        )
        navigate({ to: '/sessions/$sessionId', params: { sessionId: id } })
      }}
    />
  )
}
