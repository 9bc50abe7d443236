import { type ChatThread, createId, type Session } from '@org/session-db'
import { and, eq, useLiveQuery } from '@tanstack/react-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { MessageSquarePlus } from 'lucide-react'
import { Composer } from './composer'
import { MessageList } from './message-list'
import { Notice, Skeleton } from './screens'
import { useReport, useSessionDb } from './session-db'
import { ThreadList } from './thread-list'
import { Button } from './ui/button'
import { Segmented } from './ui/segmented'

type Mode = ChatThread['mode']

const titles: Record<Mode, string> = { session: 'Session chat', general: 'General chat' }

export function ChatDock({ session }: { session: Session }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const sessionId = session.id
  const ownSession = session.ownerId === user.id
  const mode: Mode = search.mode ?? 'session'
  const { threads: collection } = db.session(sessionId)
  const { data: threads, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ thread: collection })
        .where(({ thread }) => and(eq(thread.sessionId, sessionId), eq(thread.mode, mode)))
        .orderBy(({ thread }) => thread.status)
        .orderBy(({ thread }) => thread.createdAt, 'desc'),
  })
  // The database lets one thread per mode be active: it comes first.
  const chosen = threads.find((thread) => thread.id === search.thread) ?? threads[0]

  const choose = (thread: string | undefined) =>
    navigate({ search: (previous) => ({ ...previous, thread }), replace: true })

  const newThread = () => ({
    id: createId(),
    sessionId,
    mode,
    title: threads.length === 0 ? titles[mode] : `${titles[mode]} #${threads.length + 1}`,
  })

  function startThread() {
    const { id } = report('The thread was not started', db.actions.createThread(newThread()))
    choose(id)
  }

  function send(content: string): Promise<unknown> {
    if (chosen) {
      const message = { threadId: chosen.id, sessionId, role: 'user', content } as const
      return report('The message was not sent', db.actions.appendMessage(message)).committed
    }
    // The first message brings its thread along, in one transaction.
    const thread = newThread()
    const message = { id: createId(), threadId: thread.id, role: 'user', content } as const
    const write = db.actions.write([
      { collection: 'chatThreads', type: 'insert', value: thread },
      { collection: 'chatMessages', type: 'insert', value: message },
    ])
    return report('The message was not sent', write).committed
  }

  return (
    <>
      <div className="flex h-12 shrink-0 items-center justify-between gap-2 px-3">
        <Segmented
          label="Kind of chat"
          value={mode}
          options={[
            { value: 'session', label: 'Session', testId: 'mode-session' },
            { value: 'general', label: 'General', testId: 'mode-general' },
          ]}
          onChange={(next) =>
            navigate({
              search: (previous) => ({
                ...previous,
                mode: next === 'general' ? next : undefined,
                thread: undefined,
              }),
              replace: true,
            })
          }
        />
        <Button size="sm" data-testid="new-thread" onClick={startThread}>
          <MessageSquarePlus /> New thread
        </Button>
      </div>
      {!isReady && threads.length === 0 ? (
        <Skeleton rows={3} />
      ) : (
        <ThreadList
          threads={threads}
          chosenId={chosen?.id}
          onChoose={choose}
          canChange={(thread) => ownSession || thread.createdBy === user.id}
        />
      )}
      <div className="flex min-h-0 flex-1 flex-col border-t">
        {chosen ? (
          <MessageList key={chosen.id} thread={chosen} ownSession={ownSession} />
        ) : (
          isReady && (
            <Notice icon={MessageSquarePlus} title="No thread yet">
              Write a message below, and a thread starts with it.
            </Notice>
          )
        )}
      </div>
      <Composer onSend={send} disabled={!isReady} />
    </>
  )
}
