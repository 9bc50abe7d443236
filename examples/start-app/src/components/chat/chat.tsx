import {
  type ChatThread,
  createId,
  type FilePart,
  type JsonObject,
  type Session,
} from '@org/session-db'
import { and, eq, useLiveQuery } from '@tanstack/react-db'
import { MessageSquarePlus, MessageSquareX, Paperclip } from 'lucide-react'
import { useRef, useState } from 'react'
import { Notice } from '#/components/screens'
import { useReport, useSessionDb } from '#/components/session-db'
import { PaneLoading } from '#/components/sync-badge'
import { Button } from '#/components/ui/button'
import { useRemovals } from '#/components/undo'
import { draftKey } from '#/lib/drafts'
import { firstLine } from '#/lib/format'
import { userName } from '#/lib/organization'
import { useChangedElsewhere } from '#/lib/use-changed-elsewhere'
import { useFileDrop } from '#/lib/use-file-drop'
import { Composer, type Draft } from './composer'
import { type Conversation, MessageList } from './message-list'
import { ThreadList } from './thread-list'
import { useAnswers } from './use-answers'
import { useAttachments } from './use-attachments'
import { NEW_THREAD, useShownThread } from './use-shown-thread'

const TITLE_LENGTH = 60

interface ChatProps {
  session: Session
  mode: ChatThread['mode']
}

/** The threads of one mode, the messages of one of them, and the composer. */
export function Chat({ session, mode }: ChatProps) {
  const { db, user, own } = useSessionDb()
  const report = useReport()
  const { ask } = useAnswers()
  const { removed } = useRemovals()
  const sessionId = session.id
  const ownSession = session.ownerId === user.id
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
  const keyOf = (thread: string) =>
    // Each mode has its own new thread.
    draftKey(user, sessionId, thread === NEW_THREAD ? `${NEW_THREAD}-${mode}` : thread)
  const hasDraft = () => sessionStorage.getItem(keyOf(NEW_THREAD)) !== null
  const { thread, id: shownId, isGone, started, show } = useShownThread(threads, isReady, hasDraft)
  const [conversation, setConversation] = useState<Conversation>()
  const [asked, setAsked] = useState<string>()

  // A thread that was started for the files of its first message.
  const begun = useRef<string>(undefined)
  const attachments = useAttachments(keyOf(shownId), thread?.id)
  function attach(files: readonly File[]) {
    // Also a draft that is only files stays where it is when others start a thread.
    if (shownId === NEW_THREAD) show(NEW_THREAD)
    attachments.add(files)
  }
  const isDragging = useFileDrop(attach, 'chat')

  const newThread = (id: string, title: string) =>
    ({ collection: 'chatThreads', type: 'insert', value: { id, sessionId, mode, title } }) as const

  /** Uploads the files of the next message. They belong to a thread, so it is started first. */
  async function takeFiles(content: string): Promise<FilePart[]> {
    const threadId = thread?.id ?? begun.current ?? createId()
    if (thread === undefined && begun.current === undefined) {
      const title = titleOf(content) || (attachments.files[0]?.file.name ?? 'Files')
      own.note(threadId)
      begun.current = threadId
      const write = db.actions.write([newThread(threadId, title)])
      await report('The thread was not started', write).committed.catch((error) => {
        begun.current = undefined
        throw error
      })
    }
    return attachments.take(threadId)
  }

  function send({ content, references, files, wantsAnswer }: Draft): Promise<unknown> {
    const id = createId()
    const existing = thread?.id ?? begun.current
    const threadId = existing ?? createId()
    begun.current = undefined
    const text = content.trim() === '' ? [] : [{ type: 'text', text: content }]
    const message = {
      id,
      threadId,
      role: 'user',
      content,
      ...(files.length > 0 && { parts: [...text, ...files] }),
      // Sent twice with the same id, it is stored once.
      clientMessageId: id,
      metadata: (references.length > 0 ? { contextEvents: references } : {}) as JsonObject,
    } as const
    const parentId = conversation?.parentId
    const write = existing
      ? db.actions.appendMessage({ ...message, sessionId, ...(parentId && { parentId }) })
      : // The first message brings its thread along, in one transaction.
        report(
          'The message was not sent',
          db.actions.write([
            newThread(threadId, titleOf(content)),
            { collection: 'chatMessages', type: 'insert', value: message },
          ]),
        )
    own.note(id, threadId)
    if (!thread) show(threadId)
    if (wantsAnswer) setAsked(id)
    const sent = write.committed.then(async () => {
      if (wantsAnswer) await ask(threadId, id)
    })
    sent.finally(() => setAsked((before) => (before === id ? undefined : before))).catch(() => {})
    // A message refused in a thread stays in its list to be resent. Otherwise the draft is
    // restored.
    if (existing) return sent.catch(() => undefined)
    return sent.catch((error) => {
      show(NEW_THREAD)
      throw error
    })
  }

  return (
    <>
      {!isReady && threads.length === 0 ? (
        <PaneLoading status={db.status(collection)} rows={3} />
      ) : (
        <ThreadList
          threads={threads}
          changed={changed}
          chosenId={thread?.id}
          onChoose={show}
          ownSession={ownSession}
        />
      )}
      {started && (
        <p
          role="status"
          data-testid="thread-started"
          className="flex items-center gap-2 border-t px-3 py-1.5 text-xs"
        >
          <span className="min-w-0 flex-1 truncate">
            {userName(started.createdBy)} started a thread: {started.title}
          </span>
          <Button size="sm" data-testid="view-thread" onClick={() => show(started.id)}>
            View
          </Button>
          <Button size="sm" variant="ghost" onClick={() => show(shownId)}>
            Dismiss
          </Button>
        </p>
      )}
      <div className="flex min-h-0 flex-1 flex-col border-t">
        {thread ? (
          <MessageList
            key={thread.id}
            thread={thread}
            ownSession={ownSession}
            asked={asked}
            onConversation={setConversation}
          />
        ) : (
          isReady && <NoThread isGone={isGone} mode={mode} onLeave={() => show(threads[0]?.id)} />
        )}
      </div>
      <Composer
        draftKey={keyOf(shownId)}
        onSend={send}
        attachments={{ ...attachments, add: attach }}
        takeFiles={takeFiles}
        isWaiting={!isReady}
        answering={conversation?.answering ?? []}
      />
      {isDragging && (
        <div
          data-testid="attach-zone"
          className="pointer-events-none absolute inset-2 z-40 flex animate-fade flex-col items-center justify-center gap-3 rounded-2xl border-2 border-dashed border-accent bg-background/90 text-sm font-medium"
        >
          <Paperclip className="size-8 text-accent-text" aria-hidden />
          Drop files to attach them
        </div>
      )}
    </>
  )
}

interface NoThreadProps {
  isGone: boolean
  mode: ChatThread['mode']
  onLeave: () => void
}

function NoThread({ isGone, mode, onLeave }: NoThreadProps) {
  if (isGone) {
    return (
      <Notice icon={MessageSquareX} title="This thread was deleted" testId="thread-gone">
        <p>What you write below starts a new one.</p>
        <Button size="sm" className="mt-3" onClick={onLeave}>
          Show another thread
        </Button>
      </Notice>
    )
  }
  return (
    <Notice icon={MessageSquarePlus} title="New thread">
      Write a message below, and a thread starts with it.{' '}
      {mode === 'general'
        ? 'Here is room for what is not about this session’s events.'
        : 'Choose events in the timeline to refer to them.'}
    </Notice>
  )
}

/** The first words of the first message. */
function titleOf(content: string): string {
  const line = firstLine(content).trim()
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1).trimEnd()}…` : line
}
