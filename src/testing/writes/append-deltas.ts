import { type Principal, streamEpoch, streamStateOf } from '../../schema/index.ts'
import type { AppliedMutation, Mutation } from '../../writes/index.ts'
import { deltaKeyOf, deltasOf, keyOf, type Tables } from '../database/tables.ts'
import type { Transaction } from '../database/transaction.ts'
import { jsonbText } from '../memory/wire-text.ts'

type Append = Extract<Mutation, { type: 'append' }>

/** Whether a message takes these deltas: from this writer, and the next ones or ones it has. */
export function mayAppend(tables: Tables, { tenantId }: Principal, mutation: Append): boolean {
  const message = tables.chatMessages.get(keyOf({ tenantId, id: mutation.id }))
  if (message?.status !== 'streaming') return false
  const { writer, from = 0 } = streamStateOf(message.metadata)
  if (writer !== mutation.writer) return false
  const last = deltasOf(tables, message).at(-1)
  const same = storedAlready(tables, tenantId, mutation)
  if (same === mutation.deltas.length) return true
  return same === 0 && mutation.seq === (last === undefined ? from : last.seq + 1)
}

/** Stores deltas that may be appended, unless they are there. */
export function appendDeltas(
  transaction: Transaction,
  { tenantId }: Principal,
  mutation: Append,
): AppliedMutation {
  const { collection, type, id } = mutation
  const message = transaction.tables.chatMessages.get(keyOf({ tenantId, id }))
  if (message === undefined) throw new Error('The message of an admitted append is there')
  const { version } = message
  if (storedAlready(transaction.tables, tenantId, mutation) > 0) {
    return { collection, type, id, version, unchanged: true }
  }
  for (const [index, { delta, part = null }] of mutation.deltas.entries()) {
    transaction.addDelta({
      tenantId,
      messageId: id,
      seq: mutation.seq + index,
      sessionId: message.sessionId,
      epoch: streamEpoch(message.createdAt),
      delta,
      part,
      createdAt: transaction.now,
    })
  }
  return { collection, type, id, version }
}

function storedAlready(tables: Tables, tenantId: string, { id, seq, deltas }: Append): number {
  return deltas.filter(({ delta, part = null }, index) => {
    const key = deltaKeyOf({ tenantId, messageId: id, seq: seq + index })
    const stored = tables.chatMessageDeltas.get(key)
    return stored?.delta === delta && jsonbText(stored.part) === jsonbText(part)
  }).length
}
