import { v7 as uuidv7 } from 'uuid'
import { MAX_MUTATIONS, type WriteBatchInput } from '../../writes/batch.ts'
import type { OutboxRecord, OutboxStorage } from './outbox-storage.ts'

/** Characters of JSON in one request: well below what a server takes. */
const MAX_GROUP_LENGTH = 1_000_000

/** Writes and the id of the batch they are sent as. */
export interface Chosen {
  readonly id: string
  readonly group: readonly OutboxRecord[]
  /** Whether more may not be sent with it. */
  readonly isFull: boolean
  /** Whether it is stored that these are sent together. */
  readonly isKept: boolean
}

/**
 * The writes that are sent next: a group that has been tried before, or as many as fit.
 *
 * @param before of those that come after these
 */
export async function choose(
  storage: OutboxStorage,
  before: readonly OutboxRecord[] = [],
): Promise<Chosen> {
  const waiting = await storage.waiting(MAX_MUTATIONS, before.at(-1)?.n)
  const tried = waiting[0]?.group
  if (tried !== undefined) {
    const members = new Set(tried.members)
    const group = waiting.filter(({ n }) => members.has(n))
    return { id: tried.id, group, isFull: true, isKept: true }
  }
  const group: OutboxRecord[] = []
  let [mutations, length] = [0, 0]
  let isFull = waiting.length === MAX_MUTATIONS
  for (const record of waiting) {
    mutations += record.batch.mutations.length
    length += JSON.stringify(record.batch.mutations).length
    const isTooMuch = mutations > MAX_MUTATIONS || length > MAX_GROUP_LENGTH
    // One that has a group stands at the head of others that have been tried.
    if (record.group !== undefined || (group.length > 0 && isTooMuch)) {
      isFull = true
      break
    }
    group.push(record)
  }
  return { id: idOf(group), group, isFull, isKept: group.length === 0 }
}

/** What goes right after a group, when there is more than that; `ahead` was chosen while it went. */
export async function follow(
  storage: OutboxStorage,
  group: readonly OutboxRecord[],
  ahead: Chosen | undefined,
): Promise<Chosen | undefined> {
  if (ahead === undefined || ahead.isFull) return ahead
  // More may have come for it.
  const now = await choose(storage, group)
  return now.group.length === 0 ? undefined : now
}

/** Stores that these are sent together. */
export async function keep(storage: OutboxStorage, chosen: Chosen): Promise<Chosen> {
  if (!chosen.isKept) await storage.put(headed(chosen.id, chosen.group))
  return chosen
}

/** What is sent. */
export function batchOf({ id, group }: Chosen): WriteBatchInput {
  return { id, mutations: group.flatMap(({ batch }) => batch.mutations) }
}

/** A single write keeps its own id, so that it is known wherever it was sent from. */
export function idOf(group: readonly OutboxRecord[]): string {
  return group.length === 1 && group[0] !== undefined ? group[0].batch.id : uuidv7()
}

/** The first of a group, as it says so. */
export function headed(id: string, group: readonly OutboxRecord[]): OutboxRecord[] {
  const members = group.map(({ n }) => n)
  return group.slice(0, 1).map((first) => ({ ...first, group: { id, members } }))
}
