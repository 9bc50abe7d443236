import { inTransaction } from '../../in-transaction.ts'
import { failUpload } from '../receive-content.ts'
import type { UploadContext } from '../upload-context.ts'
import { forgetGarbage, lockContent } from './seal-content.ts'

const BATCH = 100
/** Longer than any store takes to store the largest content. */
const GRACE_MS = 60 * 60 * 1_000
const ABANDONED = 'The upload was begun and never finished. Upload the file again.'

export interface SweepOptions {
  /** After how long an upload that does not go on is given up, in ms. */
  readonly abandonedAfterMs: number
  /** How long after it was noted a content may go, in ms; an hour unless given. */
  readonly graceMs?: number
}

type SweepContext = Pick<UploadContext, 'pool' | 'contents' | 'onError'>

/** What a sweep did. */
export interface SweepResult {
  /** Contents that no session referred to, deleted from their stores. */
  readonly contents: number
  /** Uploads that were given up. */
  readonly uploads: number
}

/**
 * Deletes contents that no session refers to any more, which an interrupted upload or a deleted
 * session has left in a store that is not the database, and gives up uploads that do not go on.
 * Any number of processes may do it at once, as often as they like.
 */
export async function sweep(
  context: SweepContext,
  { abandonedAfterMs, graceMs = GRACE_MS }: SweepOptions,
): Promise<SweepResult> {
  const abandoned = await context.pool.query<{ tenant_id: string; session_id: string }>(
    `SELECT tenant_id, session_id FROM session_uploads
     WHERE state = 'receiving' AND updated_at < now() - $1 * interval '1 millisecond'
     ORDER BY updated_at LIMIT $2`,
    [abandonedAfterMs, BATCH],
  )
  for (const { tenant_id, session_id } of abandoned.rows) {
    await failUpload(context, tenant_id, session_id, ABANDONED)
  }
  const garbage = await context.pool.query<{ tenant_id: string; content_ref: string }>(
    `SELECT tenant_id, content_ref FROM session_content_garbage
     WHERE noted_at < now() - $1 * interval '1 millisecond' ORDER BY noted_at LIMIT $2`,
    [graceMs, BATCH],
  )
  let contents = 0
  for (const { tenant_id, content_ref } of garbage.rows) {
    try {
      if (await deleteUnreferenced(context, tenant_id, content_ref)) contents += 1
    } catch (error) {
      // A store that is down must not keep the others' garbage.
      context.onError(error)
    }
  }
  return { contents, uploads: abandoned.rows.length }
}

async function deleteUnreferenced(
  { pool, contents }: SweepContext,
  tenantId: string,
  ref: string,
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    await lockContent(client, tenantId, ref)
    const referring = await client.query(
      'SELECT FROM sessions WHERE tenant_id = $1 AND content_ref = $2 LIMIT 1',
      [tenantId, ref],
    )
    const isGarbage = referring.rowCount === 0
    if (isGarbage) {
      const { store, key } = contents.locate(tenantId, ref)
      await store.delete(key)
    }
    await forgetGarbage(client, tenantId, ref)
    return isGarbage
  })
}
