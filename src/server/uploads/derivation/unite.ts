import type { ClientBase } from 'pg'
import { identifyLog } from '../agent-session.ts'
import type { UploadContext } from '../upload-state.ts'
import { type DerivationJob, finishJob } from './jobs.ts'
import { hashOf } from './seal-content.ts'

/** A session and its content. */
interface SessionLog {
  readonly id: string
  readonly content_ref: string
  readonly content_sha256: string
  readonly content_bytes: string
  readonly original_name: string | null
}

type UniteContext = Pick<UploadContext, 'contents' | 'parsers'>

/**
 * Unites an uploaded log with the session that has an earlier state of it, in the transaction that
 * derives it. It is the same log if the owner has a session with the agent's id, and the content of one
 * is the start of the other's, or both files have the same name. The earlier session takes the content,
 * and the uploaded one is deleted.
 *
 * @returns the session to derive; `isCurrent` when nothing is to be derived, because the upload was an
 * older copy
 */
export async function uniteWithEarlier(
  client: ClientBase,
  context: UniteContext,
  job: DerivationJob,
): Promise<{ readonly sessionId: string; readonly isCurrent: boolean }> {
  const alone = { sessionId: job.sessionId, isCurrent: false }
  const log = await findGrowing(client, job)
  if (log === undefined) return alone
  const agentSession = await identifyLog(read(context, job, log), context.parsers)
  if (agentSession === undefined) return alone
  const { tenantId, sessionId } = job
  const key = JSON.stringify([tenantId, log.owner_id, agentSession.format, agentSession.id])
  // Two uploads of one log take turns: the second finds the session of the first.
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 7236108453))', [key])
  const { rows } = await client.query<SessionLog>(
    `SELECT id, content_ref, content_sha256, content_bytes, original_name FROM sessions
     WHERE tenant_id = $1 AND owner_id = $2 AND agent_session_id = $3 AND format = $4 AND id <> $5
       AND status = 'ready' AND content_ref IS NOT NULL
     ORDER BY created_at, id LIMIT 1 FOR NO KEY UPDATE`,
    [tenantId, log.owner_id, agentSession.id, agentSession.format, sessionId],
  )
  const earlier = rows[0]
  if (earlier === undefined) return alone
  const relation = await relate(context, job, earlier, log)
  if (relation === 'unrelated') return alone
  // A job of the earlier session that is running would write the old content over the new one.
  const idle = await client.query(
    `SELECT FROM session_uploads WHERE tenant_id = $1 AND session_id = $2 AND state <> 'done'`,
    [tenantId, earlier.id],
  )
  if (idle.rowCount !== 0) return alone
  await finishJob(client, job, 'united')
  if (relation === 'newer') {
    await client.query(
      `UPDATE sessions earlier SET content_ref = log.content_ref,
         content_sha256 = log.content_sha256, content_bytes = log.content_bytes,
         redactions = log.redactions
       FROM sessions log
       WHERE earlier.tenant_id = $1 AND earlier.id = $2 AND log.tenant_id = $1 AND log.id = $3`,
      [tenantId, earlier.id, sessionId],
    )
  }
  await client.query('DELETE FROM sessions WHERE tenant_id = $1 AND id = $2', [tenantId, sessionId])
  return { sessionId: earlier.id, isCurrent: relation === 'older' }
}

/** Records by which parser a session was derived that had no job. */
export async function recordDerivation(
  client: ClientBase,
  { tenantId, sessionId }: DerivationJob,
  derivedBy: string,
): Promise<void> {
  await client.query(
    `INSERT INTO session_uploads AS upload (tenant_id, session_id, state, total_bytes, derived_by)
     SELECT tenant_id, id, 'done', content_bytes, $3 FROM sessions WHERE tenant_id = $1 AND id = $2
     ON CONFLICT (tenant_id, session_id) DO UPDATE
     SET total_bytes = EXCLUDED.total_bytes, derived_by = $3, updated_at = now()`,
    [tenantId, sessionId, derivedBy],
  )
}

/** Finds a log that may join another session: it was never derived, and no user has written to it. */
async function findGrowing(
  client: ClientBase,
  { tenantId, sessionId }: DerivationJob,
): Promise<(SessionLog & { readonly owner_id: string }) | undefined> {
  const { rows } = await client.query<SessionLog & { owner_id: string }>(
    `SELECT session.id, owner_id, content_ref, content_sha256, content_bytes, original_name
     FROM sessions session
     JOIN session_uploads upload
       ON upload.tenant_id = session.tenant_id AND upload.session_id = session.id
     WHERE session.tenant_id = $1 AND session.id = $2 AND upload.growing
       AND upload.derived_by IS NULL AND content_ref IS NOT NULL
       AND NOT EXISTS (SELECT FROM timeline_events e WHERE e.tenant_id = $1 AND e.session_id = $2)
       AND NOT EXISTS (SELECT FROM chat_threads t WHERE t.tenant_id = $1 AND t.session_id = $2)`,
    [tenantId, sessionId],
  )
  return rows[0]
}

async function relate(
  context: UniteContext,
  job: DerivationJob,
  earlier: SessionLog,
  log: SessionLog,
): Promise<'newer' | 'older' | 'unrelated'> {
  const [before, now] = [Number(earlier.content_bytes), Number(log.content_bytes)]
  const [short, long] = before <= now ? [earlier, log] : [log, earlier]
  const start = await hashOf(read(context, job, long, Number(short.content_bytes)))
  if (start === short.content_sha256) return before < now ? 'newer' : 'older'
  return nameOf(earlier) !== null && nameOf(earlier) === nameOf(log) ? 'newer' : 'unrelated'
}

/** Agents compress logs later on. */
function nameOf({ original_name: name }: SessionLog): string | null {
  return name === null ? null : name.replace(/\.(?:gz|zst)$/i, '')
}

function read(
  { contents }: UniteContext,
  { tenantId }: DerivationJob,
  { content_ref }: SessionLog,
  end?: number,
): AsyncIterable<Uint8Array> {
  const { store, key } = contents.locate(tenantId, content_ref)
  return store.get(key, end === undefined ? {} : { end })
}
