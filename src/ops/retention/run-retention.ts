import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { inTransaction, withClient } from '../../server/connections.ts'
import { countDue, type DueCount, type DueFilter, deleteSome, findDue } from './due-sessions.ts'
import { parseDuration, type RetentionPolicy, retentionAges } from './retention-policy.ts'

/** Options of `runRetention`. */
export interface RetentionOptions {
  /** A connection string, or a pool, which stays open. */
  readonly database: string | Pool
  /** How long inactive sessions are kept. */
  readonly policy: RetentionPolicy
  /** Limits the run to one tenant. */
  readonly tenantId?: string | undefined
  /** Counts the due rows and deletes nothing. */
  readonly dryRun?: boolean | undefined
  /** How long the results of write batches are kept for retries. Default `90d`. */
  readonly keepBatchesFor?: string | undefined
  /** How long the usage of model calls is kept, also that of deleted sessions. Default `400d`. */
  readonly keepUsageFor?: string | undefined
  /** How long entries of the audit log are kept. Default `730d`. */
  readonly keepAuditFor?: string | undefined
  /** Rows per transaction. Default 1,000. */
  readonly batchRows?: number | undefined
  /** Replication lag at which deleting pauses, in bytes. Default 64 MiB. */
  readonly maxLagBytes?: number | undefined
  /** Called after each transaction. */
  readonly onProgress?: ((progress: RetentionProgress) => void) | undefined
  /** Stops the run after the current transaction. */
  readonly signal?: AbortSignal | undefined
}

/** The progress of a run. */
export interface RetentionProgress {
  /** Deleted sessions. */
  readonly sessions: number
  /** Sessions that were due when the run started. */
  readonly sessionsDue: number
  /** Deleted rows. */
  readonly rows: number
}

/** The result of a run. */
export interface RetentionResult {
  readonly dryRun: boolean
  /** Rows that were due when the run started, by tenant. */
  readonly due: readonly DueCount[]
  readonly deletedSessions: number
  /** Deleted results of write batches. In a dry run: those that are due. */
  readonly forgottenBatches: number
  /** Deleted usage of model calls. In a dry run: what is due. */
  readonly forgottenUsage: number
}

// An arbitrary constant that all versions of this library share.
const LOCK_KEY = 7_236_108_452

/**
 * Deletes sessions that were inactive for longer than the tenant's policy allows, the stored results of
 * old write batches, and old usage of model calls. It works in small transactions, checks in each that the session is
 * still due, and pauses while a replication slot is behind. It can be stopped at any point and run
 * again. An advisory lock allows one run at a time.
 *
 * @throws SessionDbError `invalid` for a wrong policy, `conflict` while another run holds the lock,
 * `unavailable` when the database can't be reached.
 * @example
 * await runRetention({ database: pool, policy: { default: '90d', tenants: { legal: 'keep' } } })
 */
export function runRetention(options: RetentionOptions): Promise<RetentionResult> {
  const ages = retentionAges(options.policy)
  const keepBatchesMs = parseDuration(options.keepBatchesFor ?? '90d')
  const keepUsageMs = parseDuration(options.keepUsageFor ?? '400d')
  const keepAuditMs = parseDuration(options.keepAuditFor ?? '730d')
  const filter = { ages, tenantId: options.tenantId }
  return locked(options.database, async (client) => {
    const due = await countDue(client, filter)
    const dryRun = options.dryRun ?? false
    const deletedSessions = dryRun ? 0 : await deleteDue(client, filter, due, options)
    const forget = (table: string, olderThanMs: number) =>
      dryRun
        ? countOld(client, table, olderThanMs, options.tenantId)
        : forgetOld(client, table, olderThanMs, options)
    const forgottenBatches = await forget('applied_batches', keepBatchesMs)
    const forgottenUsage = await forget('chat_message_usage', keepUsageMs)
    await forget('session_audit', keepAuditMs)
    return { dryRun, due, deletedSessions, forgottenBatches, forgottenUsage }
  })
}

/**
 * Runs `work` while an advisory lock is held. A transaction of its own holds the lock on a second
 * connection, because poolers in transaction mode lose locks of a session. A pool with a single
 * connection has no second one, and then a session lock is taken.
 */
async function locked<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  if (typeof database !== 'string' && database.options?.max === 1) {
    return withClient(database, async (client) => {
      await takeLock(client, 'pg_try_advisory_lock')
      try {
        return await work(client)
      } finally {
        // A lost connection has released the lock already.
        await client.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]).catch(() => undefined)
      }
    })
  }
  return inTransaction(database, async (holder) => {
    await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0')
    await takeLock(holder, 'pg_try_advisory_xact_lock')
    return withClient(database, work)
  })
}

async function takeLock(client: ClientBase, take: string): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>(`SELECT ${take}($1) AS taken`, [LOCK_KEY])
  if (rows[0]?.taken === true) return
  throw new SessionDbError(
    'conflict',
    'Another retention run holds the lock of this database. Wait until it has finished.',
  )
}

const SESSIONS_PER_QUERY = 100

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
    const found = await findDue(client, filter, SESSIONS_PER_QUERY)
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

async function countOld(
  client: ClientBase,
  table: string,
  olderThanMs: number,
  tenantId: string | undefined,
): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${table}
     WHERE created_at < now() - $1::float8 * interval '1 ms' AND ($2::text IS NULL OR tenant_id = $2)`,
    [olderThanMs, tenantId ?? null],
  )
  return rows[0]?.count ?? 0
}

async function forgetOld(
  client: ClientBase,
  table: string,
  olderThanMs: number,
  { batchRows = 1_000, tenantId, signal, maxLagBytes }: RetentionOptions,
): Promise<number> {
  let forgotten = 0
  for (;;) {
    if (signal?.aborted) return forgotten
    const { rowCount } = await client.query(
      `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM ${table}
         WHERE created_at < now() - $1::float8 * interval '1 ms'
           AND ($2::text IS NULL OR tenant_id = $2) LIMIT $3))`,
      [olderThanMs, tenantId ?? null, batchRows],
    )
    forgotten += rowCount ?? 0
    if ((rowCount ?? 0) < batchRows) return forgotten
    await waitForReplication(client, maxLagBytes, signal)
  }
}

const DEFAULT_MAX_LAG_BYTES = 64 * 1024 * 1024
const LAG_POLL_MS = 200

/** Waits until every active logical slot is close enough. Inactive slots would never catch up. */
async function waitForReplication(
  client: ClientBase,
  maxLagBytes: number = DEFAULT_MAX_LAG_BYTES,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted && (await largestLag(client)) > maxLagBytes) {
    await pause(LAG_POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
}

async function largestLag(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ lag: number }>(
    `SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)), 0)::float8 AS lag
     FROM pg_replication_slots
     WHERE slot_type = 'logical' AND active AND database = current_database()`,
  )
  return rows[0]?.lag ?? 0
}

/** Options of `scheduleRetention`. */
export interface RetentionScheduleOptions extends Omit<RetentionOptions, 'signal' | 'dryRun'> {
  /** The interval. Default `24h`. */
  readonly every?: string | undefined
  readonly onResult?: ((result: RetentionResult) => void) | undefined
  /** Called with the error of a failed run. Default `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/**
 * Runs retention periodically in this process, first after one interval. Every instance of an app may
 * schedule it: a run is skipped while another instance holds the lock.
 *
 * @returns a function that stops the schedule and resolves after the current transaction.
 * @throws SessionDbError `invalid` for a wrong policy or interval.
 * @example
 * const stop = scheduleRetention({ database: pool, policy: { default: '90d' } })
 * await stop()
 */
export function scheduleRetention(options: RetentionScheduleOptions): () => Promise<void> {
  const { every = '24h', onResult, onError = console.error, ...rest } = options
  retentionAges(rest.policy)
  const everyMs = Math.min(parseDuration(every), 2 ** 31 - 1)
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  const run = async () => {
    try {
      onResult?.(await runRetention({ ...rest, signal: stopping.signal }))
    } catch (error) {
      const elsewhere = error instanceof SessionDbError && error.code === 'conflict'
      if (!elsewhere) onError(error)
    }
  }
  const timer = setInterval(() => {
    running ??= run().finally(() => {
      running = undefined
    })
  }, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    stopping.abort()
    await running
  }
}
