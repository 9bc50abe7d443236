import { type ChatThread, createId, type JsonObject, type Session } from '@org/session-db'
import { and, eq, useLiveQuery } from '@tanstack/react-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { MessageSquarePlus } from 'lucide-react'
import { Notice, Skeleton } from '#/components/screens'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { Segmented } from '#/components/ui/segmented'
import { useRemovals } from '#/components/undo'
import { draftKey } from '#/lib/drafts'
import { useChangedElsewhere } from '#/lib/use-changed-elsewhere'
import { Composer, type Draft } from './composer'
import { MessageList } from './message-list'
import { ThreadList } from './thread-list'
import { useAnswers } from './use-answers'

type Mode = ChatThread['mode']

const titles: Record<Mode, string> = { session: 'Session chat', general: 'General chat' }

export function ChatDock({ session }: { session: Session }) {
  const { db, user, own } = useSessionDb()
  const report = useReport()
  const { ask } = useAnswers()
  const { removed } = useRemovals()
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const sessionId = session.id
  const ownSession = session.ownerId === user.id
  const mode: Mode = search.mode ?? 'session'
  const { threads: collection } = db.session(sessionId)
  const { data, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ thread: collection })
        .where(({ thread }) => and(eq(thread.sessionId, sessionId), eq(thread.mode, mode)))
        .orderBy(({ thread }) => thread.status)
        .orderBy(({ thread }) => thread.createdAt, 'desc'),
  })
  const changed = useChangedElsewhere(data, isReady)
  const threads = data.filter(({ id }) => !removed.has(id))
  // The active thread comes first; the database allows one per mode.
  const chosen = threads.find((thread) => thread.id === search.thread) ?? threads[0]

  const choose = (thread: string | undefined) =>
    navigate({ search: (previous) => ({ ...previous, thread }), replace: true })

  const newThread = () => ({
    id: createId(),
    sessionId,
    mode,
    title: data.length === 0 ? titles[mode] : `${titles[mode]} #${data.length + 1}`,
  })

  function startThread() {
    const active = data.filter(({ status }) => status === 'active').map(({ id }) => id)
    const write = db.actions.createThread(newThread())
    // The previously active thread is archived in the same batch.
    const { id } = report('The thread was not started', write, ...active)
    choose(id)
  }

  function send({ content, references, wantsAnswer }: Draft): Promise<unknown> {
    const id = createId()
    const started = newThread()
    const threadId = chosen?.id ?? started.id
    const message = {
      id,
      threadId,
      role: 'user',
      content,
      // Sent twice with the same id, it is stored once.
      clientMessageId: id,
      metadata: (references.length > 0 ? { contextEvents: references } : {}) as JsonObject,
    } as const
    const write = chosen
      ? db.actions.appendMessage({ ...message, sessionId })
      : // The first message brings its thread along, in one transaction.
        report(
          'The message was not sent',
          db.actions.write([
            { collection: 'chatThreads', type: 'insert', value: started },
            { collection: 'chatMessages', type: 'insert', value: message },
          ]),
        )
    own.note(id, threadId)
    const sent = write.committed.then(() => wantsAnswer && ask(threadId, id))
    // A message refused in a thread stays in its list to be resent. Otherwise the draft is
    // restored.
    return chosen ? sent.catch(() => undefined) : sent
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
          changed={changed}
          chosenId={chosen?.id}
          onChoose={choose}
          ownSession={ownSession}
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
      <Composer
        key={mode}
        draftKey={draftKey(user, sessionId, mode)}
        onSend={send}
        isWaiting={!isReady}
      />
    </>
  )
}
