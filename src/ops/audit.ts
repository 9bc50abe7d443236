import type { Pool } from 'pg'
import { SessionDbError } from '../errors.ts'
import { withClient } from '../server/connections.ts'

/** Options of `listAudit`. */
export interface AuditOptions {
  /** A connection string, or a pool, which stays open. */
  readonly database: string | Pool
  readonly tenantId: string
  /** Only entries of this user's actions. */
  readonly userId?: string | undefined
  /** Only entries about this session. */
  readonly sessionId?: string | undefined
  /** Only entries before this time: `at` of the last entry of the page before. */
  readonly before?: Date | undefined
  /** 1 to 1,000. Default 100. */
  readonly limit?: number | undefined
}

/** One entry of the audit log. */
export interface AuditEntry {
  readonly id: string
  readonly at: Date
  /** Null for an operator: a command, or SQL. */
  readonly userId: string | null
  readonly action: 'share' | 'unshare' | 'delete' | 'export' | 'erase'
  readonly sessionId: string | null
  /** `grantee` and `role` of a share, `owner` of a deleted session, counts of an erasure. */
  readonly details: Readonly<Record<string, unknown>>
}

/**
 * Lists who shared, unshared, deleted, exported and erased in a tenant, the latest first. Entries outlive the
 * sessions that they are about. The app decides who may see them.
 *
 * @param options.tenantId The tenant.
 * @param options.limit 1 to 1,000. Default 100.
 * @throws SessionDbError `invalid` for a limit out of range, `unavailable` when the database can't be reached.
 * @example
 * const entries = await listAudit({ database: pool, tenantId: 'acme', limit: 50 })
 */
export async function listAudit(options: AuditOptions): Promise<AuditEntry[]> {
  const { tenantId, userId, sessionId, before, limit = 100 } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    throw new SessionDbError('invalid', `limit must be a number from 1 to 1,000, not ${limit}.`)
  }
  return withClient(options.database, async (client) => {
    const { rows } = await client.query<AuditEntry>(
      `SELECT id, created_at AS at, user_id AS "userId", action, session_id AS "sessionId", details
       FROM session_audit
       WHERE tenant_id = $1 AND ($2::text IS NULL OR user_id = $2)
         AND ($3::text IS NULL OR session_id = $3)
         AND ($4::timestamptz IS NULL OR created_at < $4)
       ORDER BY created_at DESC, id LIMIT $5`,
      [tenantId, userId ?? null, sessionId ?? null, before ?? null, limit],
    )
    return rows
  })
}
