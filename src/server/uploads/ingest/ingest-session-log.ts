import { createHash } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { idField } from '../../../schema/fields.ts'
import { MAX_TITLE_LENGTH } from '../../../schema/limits.ts'
import type { Principal } from '../../../schema/principal.ts'
import { problemIn, validate } from '../../../schema/validate.ts'
import { deriveTimeline } from '../../../timeline/derive-timeline.ts'
import { storableText } from '../../../timeline/storable-text.ts'
import type { TimelineSummary } from '../../../timeline/timeline-summary.ts'
import { SessionDbError } from '../../../writes/errors.ts'
import { inCopyTransaction } from '../../copy-client.ts'
import { type LogContent, openLogContent } from './log-content.ts'
import { persistTimeline } from './persist-timeline.ts'

/** A log to make a session of, from a file or from a stream of at most 64 MiB. */
export type SessionLog = {
  /** The session's id; by default one made of owner and content, so the same log is one session. */
  readonly id?: string
  /** The log's own file name. */
  readonly originalName: string
  /** By default the first thing the user asked, else the file name. */
  readonly title?: string
  /** `private` unless given. */
  readonly visibility?: 'private' | 'tenant'
  /** `upload` unless given. */
  readonly source?: 'upload' | 'bundled' | 'external'
} & ({ readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> })

/** What became of a log. */
export interface IngestedSession {
  readonly sessionId: string
  readonly eventCount: number
  /** Parts of the log that no sense could be made of; each is an `other` event. */
  readonly unparseable: number
  /** False when this session was there already; then nothing was written. */
  readonly created: boolean
}

/**
 * Makes a session of an agent's log: the session's row and one timeline event per line, in one
 * transaction. Doing it again with the same log changes nothing.
 *
 * @throws SessionDbError `conflict` when the id is taken by another session, `too_large` when a
 * stream is longer than 64 MiB, `invalid` for an id or title out of bounds.
 * @example
 * await ingestSessionLog(pool, principal, { path: 'rollout.jsonl', originalName: 'rollout.jsonl' })
 */
export async function ingestSessionLog(
  pool: Pool,
  principal: Principal,
  log: SessionLog,
): Promise<IngestedSession> {
  const content = await openLogContent(log)
  const sessionId = checkedId(log.id ?? contentId(principal, content.sha256))
  return inCopyTransaction(pool, (client) =>
    ingest(client, principal, { ...log, ...content, sessionId }),
  )
}

type NewSession = SessionLog & LogContent & { readonly sessionId: string }

async function ingest(
  client: ClientBase,
  principal: Principal,
  session: NewSession,
): Promise<IngestedSession> {
  const { sessionId } = session
  if (!(await insertSession(client, principal, session))) {
    return existingSession(client, principal, session)
  }
  const timeline = deriveTimeline(session.read())
  const summary = await persistTimeline(client, { ...principal, sessionId }, timeline)
  await completeSession(client, principal, session, summary)
  const { events: eventCount, unparseable } = summary
  return { sessionId, eventCount, unparseable, created: true }
}

async function insertSession(
  client: ClientBase,
  principal: Principal,
  session: NewSession,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO sessions (tenant_id, id, owner_id, visibility, title, source, original_name,
       content_sha256, content_bytes)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT DO NOTHING`,
    [
      principal.tenantId,
      session.sessionId,
      principal.userId,
      session.visibility ?? 'private',
      title(session, null),
      session.source ?? 'upload',
      storableText(session.originalName),
      session.sha256,
      session.bytes,
    ],
  )
  return rowCount === 1
}

async function completeSession(
  client: ClientBase,
  principal: Principal,
  session: NewSession,
  summary: TimelineSummary,
): Promise<void> {
  const { agentSessionId, unparseable, parser } = summary
  await client.query(
    `UPDATE sessions SET status = 'ready', title = $3, format = $4, event_count = $5,
       started_at = $6, ended_at = $7, workspace_root = $8, repo = $9, repo_label = $10,
       metadata = $11
     WHERE tenant_id = $1 AND id = $2`,
    [
      principal.tenantId,
      session.sessionId,
      title(session, summary.title),
      summary.format,
      summary.events,
      summary.startedAt,
      summary.endedAt,
      summary.workspaceRoot,
      summary.repo,
      summary.repoLabel,
      { agentSessionId, unparseableLines: unparseable, parser },
    ],
  )
}

async function existingSession(
  client: ClientBase,
  principal: Principal,
  session: NewSession,
): Promise<IngestedSession> {
  const { rows } = await client.query<{ event_count: number; unparseable: number | null }>(
    `SELECT event_count, (metadata ->> 'unparseableLines')::int AS unparseable FROM sessions
     WHERE tenant_id = $1 AND id = $2 AND owner_id = $3 AND content_sha256 = $4`,
    [principal.tenantId, session.sessionId, principal.userId, session.sha256],
  )
  const existing = rows[0]
  if (existing === undefined) {
    throw new SessionDbError('conflict', 'Another session has this id. Choose another id.', {
      details: { id: session.sessionId },
    })
  }
  const { event_count: eventCount, unparseable } = existing
  return { sessionId: session.sessionId, eventCount, unparseable: unparseable ?? 0, created: false }
}

function title(session: NewSession, fromLog: string | null): string {
  const chosen = session.title || fromLog || session.originalName || 'Session'
  return [...storableText(chosen)].slice(0, MAX_TITLE_LENGTH).join('')
}

function contentId(principal: Principal, sha256: string): string {
  const key = JSON.stringify([principal.tenantId, principal.userId, sha256])
  return `session-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`
}

function checkedId(id: string): string {
  const parsed = validate(idField, id)
  if (parsed.success) return parsed.data
  throw new SessionDbError('invalid', problemIn(parsed.error, 'id'))
}
