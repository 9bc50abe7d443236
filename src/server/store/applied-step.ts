import type { AppliedMutation, Mutation } from '../../writes/index.ts'
import { refusal } from './refusal.ts'
import type { StepStatementRow } from './statements.ts'

/** What a step has done. */
export interface AppliedStep {
  readonly txid: string | null
  readonly mutations: AppliedMutation[]
}

/**
 * Reads the answer to a step of one mutation, the `index`-th of its batch.
 *
 * @throws SessionDbError when it was refused.
 */
export function readStep(mutation: Mutation, index: number, row: StepStatementRow): AppliedStep {
  const { admitted, id, version, txid } = row
  if (!admitted || id === null) throw refusal(mutation, index, row)
  const { collection, type } = mutation
  const applied = { collection, type, id, version }
  return { txid, mutations: [txid === null ? { ...applied, unchanged: true } : applied] }
}
