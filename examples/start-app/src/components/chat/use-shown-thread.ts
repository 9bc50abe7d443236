import type { ChatThread } from '@org/session-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { useRemovals } from '#/components/undo'

/** The `thread` of a URL for a thread that starts with the next message. */
export const NEW_THREAD = 'new'

export interface ShownThread {
  /** Undefined for a thread that starts with the next message, or that is gone. */
  readonly thread: ChatThread | undefined
  /** The id in the key of the draft. */
  readonly id: string
  /** True if someone has deleted the thread while it was shown here. */
  readonly isGone: boolean
  /** A thread that someone else has just started. */
  readonly started: ChatThread | undefined
  readonly show: (id: string | undefined) => void
}

/**
 * Keeps a thread on the screen until the user chooses another one, whatever others start, archive or delete: what is
 * written here never lands in a thread that appeared a moment ago.
 *
 * @param threads the threads of one mode, the active one first
 * @param hasDraft true if the user has begun a message for a new thread
 */
export function useShownThread(
  threads: readonly ChatThread[],
  isReady: boolean,
  hasDraft: () => boolean,
): ShownThread {
  const { user } = useSessionDb()
  const { removed } = useRemovals()
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const { thread: inUrl } = useSearch({ from: '/_app/sessions/$sessionId' })
  const [pinned, setPinned] = useState<string>()
  const [seen, setSeen] = useState<ReadonlySet<string>>()
  const first = threads[0]?.id

  const show = useRef((id: string | undefined) => {
    setPinned(id)
    navigate({ search: (previous) => ({ ...previous, thread: id }), replace: true })
  }).current

  if (isReady && inUrl === undefined) {
    // A reader without a draft sees the first thread as soon as there is one.
    if (pinned === undefined && first !== undefined) setPinned(first)
    if (pinned === undefined && first === undefined && hasDraft()) setPinned(NEW_THREAD)
  }
  if (isReady && seen === undefined) setSeen(new Set(threads.map(({ id }) => id)))

  const id = inUrl ?? pinned ?? first ?? NEW_THREAD
  const isRemovedHere = removed.has(id)
  useEffect(() => {
    if (isRemovedHere) show(undefined)
  }, [isRemovedHere, show])

  const thread = threads.find((each) => each.id === id)
  return {
    thread,
    id,
    isGone: isReady && thread === undefined && id !== NEW_THREAD && !isRemovedHere,
    started: threads.find(
      (each) => seen && !seen.has(each.id) && each.createdBy !== user.id && each !== thread,
    ),
    show(next) {
      setSeen(new Set(threads.map((each) => each.id)))
      show(next)
    },
  }
}
