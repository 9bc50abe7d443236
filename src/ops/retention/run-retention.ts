import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { withClient } from '../../server/with-client.ts'
import { deleteSome } from './delete-session.ts'
import { countDue, type DueCount, type DueFilter, findDue } from './due-sessions.ts'
import { parseDuration } from './duration.ts'
import { waitForReplication } from './replication-lag.ts'
import { type RetentionPolicy, retentionAges } from './retention-policy.ts'

export interface RetentionOptions {
  /** A connection string, or a pool that stays open. */
  readonly database: string | Pool
  /** How long sessions are kept after anything last happened in them. */
  readonly policy: RetentionPolicy
  /** Only this tenant. */
  readonly tenantId?: string | undefined
  /** Says what would go, and deletes nothing. */
  readonly dryRun?: boolean | undefined
  /** How long answers to write batches are kept, for retries; `90d` unless given. */
  readonly keepBatchesFor?: string | undefined
  /** Rows deleted in one transaction; 1,000 unless given. */
  readonly batchRows?: number | undefined
  /** How far a replication slot may be behind before deleting goes on, in bytes; 64 MiB unless given. */
  readonly maxLagBytes?: number | undefined
  /** Hears of every batch of deleted rows. */
  readonly onProgress?: ((progress: RetentionProgress) => void) | undefined
  /** Ends it between two batches. */
  readonly signal?: AbortSignal | undefined
}

/** How far it is. */
export interface RetentionProgress {
  readonly sessions: number
  readonly sessionsDue: number
  readonly rows: number
}

/** What was due, and what went. */
export interface RetentionResult {
  readonly dryRun: boolean
  /** What was due when it began, by tenant. */
  readonly due: readonly DueCount[]
  readonly deletedSessions: number
  /** Answers to write batches that were, or would be, forgotten. */
  readonly forgottenBatches: number
}

// Any constant does, as long as every version of this library uses the same one.
const LOCK_KEY = 7_236_108_452

/**
 * Deletes sessions in which nothing has happened for as long as the tenant's policy says, and the
 * answers to write batches that nobody will retry any more. In small transactions, each of which
 * looks again whether its session is still due, and which wait while a replication slot is behind.
 * It can be stopped at any point and run again. One runs at a time.
 *
 * @throws SessionDbError `invalid` for a policy that is none, `conflict` when another one runs,
 * `unavailable` when the database cannot be reached.
 * @example
 * await runRetention({ database: pool, policy: { default: '90d', tenants: { legal: 'keep' } } })
 */
export function runRetention(options: RetentionOptions): Promise<RetentionResult> {
  const ages = retentionAges(options.policy)
  const keepBatchesMs = parseDuration(options.keepBatchesFor ?? '90d')
  const filter = { ages, tenantId: options.tenantId }
  return withClient(options.database, (client) =>
    locked(client, async () => {
      const due = await countDue(client, filter)
      const dryRun = options.dryRun ?? false
      const deletedSessions = dryRun ? 0 : await deleteDue(client, filter, due, options)
      const forgottenBatches = dryRun
        ? await countBatches(client, keepBatchesMs, options.tenantId)
        : await forgetBatches(client, keepBatchesMs, options)
      return { dryRun, due, deletedSessions, forgottenBatches }
    }),
  )
}

async function locked<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS taken',
    [LOCK_KEY],
  )
  if (rows[0]?.taken !== true) {
    throw new SessionDbError('conflict', 'Another retention run is at work on this database.')
  }
  try {
    return await work()
  } finally {
    // Without a connection there is no lock either.
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]).catch(() => undefined)
  }
}

const FOUND_AT_ONCE = 100

async function deleteDue(
  client: ClientBase,
  filter: DueFilter,
  due: readonly DueCount[],
  options: RetentionOptions,
): Promise<number> {
  const sessionsDue = due.reduce((sum, { sessions }) => sum + sessions, 0)
  const { batchRows = 1_000, signal } = options
  let [sessions, rows] = [0, 0]
  for (;;) {
    const found = await findDue(client, filter, FOUND_AT_ONCE)
    if (found.length === 0) return sessions
    for (const session of found) {
      for (let done = false; !done; ) {
        if (signal?.aborted) return sessions
        const step = await deleteSome(client, filter, session, batchRows)
        done = step.done
        rows += step.rows
        if (done && step.rows > 0) sessions += 1
        options.onProgress?.({ sessions, sessionsDue, rows })
        await waitForReplication(client, options.maxLagBytes, signal)
      }
    }
  }
}

async function countBatches(
  client: ClientBase,
  olderThanMs: number,
  tenantId: string | undefined,
): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM applied_batches
     WHERE created_at < now() - $1::float8 * interval '1 ms' AND ($2::text IS NULL OR tenant_id = $2)`,
    [olderThanMs, tenantId ?? null],
  )
  return rows[0]?.count ?? 0
}

async function forgetBatches(
  client: ClientBase,
  olderThanMs: number,
  { batchRows = 1_000, tenantId, signal, maxLagBytes }: RetentionOptions,
): Promise<number> {
  let forgotten = 0
  for (;;) {
    if (signal?.aborted) return forgotten
    const { rowCount } = await client.query(
      `DELETE FROM applied_batches WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM applied_batches
         WHERE created_at < now() - $1::float8 * interval '1 ms'
           AND ($2::text IS NULL OR tenant_id = $2) LIMIT $3))`,
      [olderThanMs, tenantId ?? null, batchRows],
    )
    forgotten += rowCount ?? 0
    if ((rowCount ?? 0) < batchRows) return forgotten
    await waitForReplication(client, maxLagBytes, signal)
  }
}
