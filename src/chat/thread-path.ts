import type { ChatMessage } from '../schema/chat-message.ts'

/** A message, as far as its place among the branches of its thread is concerned. */
export type BranchMessage = Pick<ChatMessage, 'id' | 'parentId' | 'position'>

/**
 * Returns the branch that a thread shows: the messages from the first one to the head, in order. With only part
 * of a thread loaded, it starts at the oldest message whose parents are all loaded.
 *
 * @param messages the messages of one thread, in any order
 * @param headId the thread's `headId`, or the last message of another branch. Default: the newest message.
 * @example
 * const shown = threadPath(messages, thread.headId)
 */
export function threadPath<Message extends BranchMessage>(
  messages: readonly Message[],
  headId?: string | null,
): Message[] {
  if (headId === null) return []
  const byId = new Map(messages.map((message) => [message.id, message]))
  const path: Message[] = []
  let next = headId === undefined ? newestOf(messages) : byId.get(headId)
  while (next !== undefined) {
    path.push(next)
    // A parent is older, so that no data leads in a circle.
    const parent = next.parentId === null ? undefined : byId.get(next.parentId)
    next = parent !== undefined && parent.position < next.position ? parent : undefined
  }
  return path.reverse()
}

/** The alternatives of a message. */
export interface Siblings<Message> {
  /** The messages with the same parent, the message itself included, oldest first. */
  readonly all: readonly Message[]
  /** The position of the message among them, from 0. */
  readonly index: number
}

/**
 * Returns the alternatives of a message: those that edits and new answers have put beside it.
 *
 * @param messages the messages of one thread, in any order
 * @example
 * const { all, index } = siblingsOf(messages, message)
 * const label = `${index + 1} / ${all.length}`
 */
export function siblingsOf<Message extends BranchMessage>(
  messages: readonly Message[],
  { id, parentId }: BranchMessage,
): Siblings<Message> {
  const all = messages.filter((message) => message.parentId === parentId).sort(byPosition)
  return { all, index: all.findIndex((message) => message.id === id) }
}

/**
 * Returns the end of the branch that a message is in: its newest descendant, or itself. Make it the thread's head
 * to show that branch.
 *
 * @param messages the messages of one thread, in any order
 * @example
 * db.actions.switchBranch(threadId, branchEnd(messages, sibling).id)
 */
export function branchEnd<Message extends BranchMessage>(
  messages: readonly Message[],
  start: Message,
): Message {
  const inBranch = new Set([start.id])
  let end = start
  // A child is newer than its parent.
  for (const message of [...messages].sort(byPosition)) {
    if (message.parentId === null || !inBranch.has(message.parentId)) continue
    inBranch.add(message.id)
    end = message
  }
  return end
}

function newestOf<Message extends BranchMessage>(messages: readonly Message[]) {
  return messages.reduce<Message | undefined>(
    (newest, message) => (message.position > (newest?.position ?? 0) ? message : newest),
    undefined,
  )
}

function byPosition(one: BranchMessage, other: BranchMessage): number {
  return one.position - other.position
}
