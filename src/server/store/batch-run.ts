import type { RawBuilder } from 'kysely'
import type { Pool } from 'pg'
import type { MutationPlan } from './mutation-plan.ts'
import type { Preparer } from './prepare.ts'
import type { BatchClaim } from './statements.ts'

/** One attempt at a batch: what is to be done, and with what. */
export interface BatchRun {
  readonly pool: Pool
  readonly preparer: Preparer
  readonly claim: BatchClaim
  readonly plans: readonly MutationPlan[]
}

/** Runs one statement on a connection of its own and returns its rows. */
export async function runAlone<Row>(
  { pool, preparer }: Pick<BatchRun, 'pool' | 'preparer'>,
  statement: RawBuilder<Row>,
): Promise<Row[]> {
  const { rows } = await pool.query(preparer.prepare(statement))
  return rows as Row[]
}
