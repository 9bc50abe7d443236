import { branchEnd, type ChatMessage, type ChatThread, threadPath } from '@org/session-db'
import { useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** The branch of a thread that this window shows. */
export interface ShownBranch {
  readonly path: readonly ChatMessage[]
  /** The author of the branch that the thread shows now, if this window still shows another one. */
  readonly movedBy: ChatMessage | undefined
  /** Shows the thread's own branch. */
  readonly follow: () => void
}

/**
 * Follows the branch that the thread shows, unless someone else has moved the thread to another one: an edit by Bob
 * never replaces what Ann is reading.
 */
export function useShownBranch(
  { headId }: ChatThread,
  messages: readonly ChatMessage[],
): ShownBranch {
  const { own } = useSessionDb()
  const [end, setEnd] = useState<string>()
  const head = messages.find(({ id }) => id === headId)
  const shown = messages.find(({ id }) => id === end)
  const headPath = threadPath(messages, headId)
  // The thread's row may arrive before the message that it shows.
  const isFollowing =
    headId === null ||
    shown === undefined ||
    (head !== undefined && (own.has(head.id) || headPath.includes(shown)))
  const next = isFollowing ? head : branchEnd(messages, shown)
  if (next !== undefined && next.id !== end) setEnd(next.id)
  const path = isFollowing ? headPath : threadPath(messages, next?.id)
  return {
    path,
    movedBy: isFollowing ? undefined : head,
    follow: () => setEnd(undefined),
  }
}
