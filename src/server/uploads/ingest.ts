import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { ClientBase, Pool } from 'pg'
import { idField, MAX_TITLE_LENGTH } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import { LogError, readLog, refusalOf } from '../../timeline/content.ts'
import { storableText } from '../../timeline/events.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import { withOwnParsers } from '../../timeline/parsers.ts'
import type { FindSecrets } from '../../timeline/secrets.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { inCopyTransaction } from '../connections.ts'
import { putContent } from './content/postgres-content-store.ts'
import { deriveContent } from './derivation/derive-session.ts'
import { lockContent } from './derivation/seal-content.ts'
import { createRedaction, type RedactionCounts, redactStream } from './redact.ts'

/** A log to create a session from: a file, or a stream of at most 64 MiB. */
export type SessionLog = {
  /** The session's id. By default it is derived from owner and content, so one log is one session. */
  readonly id?: string
  /** File name of the log. */
  readonly originalName: string
  /** Default: the log's own title or first prompt, else the file name. */
  readonly title?: string
  /** Default: `private`. */
  readonly visibility?: 'private' | 'tenant'
  /** Default: `upload`. */
  readonly source?: 'upload' | 'bundled' | 'external'
  /** Own parsers, tried before the built-in ones. */
  readonly parsers?: readonly TimelineParser[]
  /** Finds secrets to mask before the log is stored, such as `findSecrets`. Compressed logs are unpacked. */
  readonly redact?: FindSecrets
} & ({ readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> })

/** The session that a log became. */
export interface IngestedSession {
  readonly sessionId: string
  readonly eventCount: number
  /** Number of `other` events for parts of the log that no parser could read. */
  readonly unparseable: number
  /** False when the session already existed; nothing was written then. */
  readonly created: boolean
}

/**
 * Creates a session from an agent's log in one transaction: its row, its content and its timeline, as
 * an upload would. For scripts and seeds that act on the server's behalf: no policy is applied.
 * Ingesting the same log again changes nothing.
 *
 * @throws SessionDbError `conflict` when another session has the id, `too_large` for a stream of more
 * than 64 MiB, `invalid` for an id out of bounds.
 * @example
 * await ingestSessionLog(pool, principal, { path: 'rollout.jsonl', originalName: 'rollout.jsonl' })
 */
export async function ingestSessionLog(
  pool: Pool,
  principal: Principal,
  log: SessionLog,
): Promise<IngestedSession> {
  const content = await openContent(log)
  if (content.bytes === 0) refuse(new LogError(refusalOf(new Uint8Array())))
  const { tenantId } = principal
  const key = { tenantId, sha256: content.sha256 }
  const sessionId = validated(idField, log.id ?? contentId(principal, content.sha256), 'id')
  return inCopyTransaction(pool, async (client) => {
    const created = await insertSession(client, principal, { ...log, ...content, sessionId })
    if (created) {
      await lockContent(client, tenantId, `pg:${key.sha256}`)
      await putContent(client, key, content)
      const derivedBy = await deriveContent(client, { tenantId, sessionId }, content.read(), {
        parsers: withOwnParsers(log.parsers),
      }).catch(refuse)
      await client.query(
        `INSERT INTO session_uploads (tenant_id, session_id, state, total_bytes, derived_by)
         VALUES ($1, $2, 'done', $3, $4)`,
        [tenantId, sessionId, content.bytes, derivedBy],
      )
    }
    return { ...(await readSession(client, principal, sessionId, content.sha256)), created }
  })
}

function refuse(error: unknown): never {
  throw error instanceof LogError ? new SessionDbError('invalid', error.message) : error
}

interface LogContent {
  readonly sha256: string
  readonly bytes: number
  /** Masked secrets by kind; null when none were looked for. */
  readonly redactions: RedactionCounts | null
  /** Reads the log from its start, without what was appended to the file since it was opened. */
  read(): AsyncIterable<Uint8Array>
}

type NewSession = SessionLog & LogContent & { readonly sessionId: string }

async function insertSession(
  client: ClientBase,
  { tenantId, userId }: Principal,
  { sessionId, sha256, bytes, redactions, visibility, source, title, originalName }: NewSession,
): Promise<boolean> {
  const name = storableText(originalName)
  const { rowCount } = await client.query(
    `INSERT INTO sessions (tenant_id, id, owner_id, visibility, title, source, original_name,
       content_ref, content_sha256, content_bytes, redactions)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'pg:' || $8, $8, $9, nullif($10::jsonb, '{}'))
     ON CONFLICT DO NOTHING`,
    [
      ...[tenantId, sessionId, userId, visibility ?? 'private'],
      [...storableText(title || name || 'Session')].slice(0, MAX_TITLE_LENGTH).join(''),
      ...[source ?? 'upload', name, sha256, bytes, redactions],
    ],
  )
  return rowCount === 1
}

async function readSession(
  client: ClientBase,
  { tenantId, userId }: Principal,
  sessionId: string,
  sha256: string,
): Promise<Omit<IngestedSession, 'created'>> {
  const { rows } = await client.query<{ eventCount: number; unparseable: number | null }>(
    `SELECT event_count AS "eventCount", (metadata ->> 'unparseableLines')::int AS unparseable
     FROM sessions
     WHERE tenant_id = $1 AND id = $2 AND owner_id = $3 AND content_sha256 = $4`,
    [tenantId, sessionId, userId, sha256],
  )
  const session = rows[0]
  if (session === undefined) {
    throw new SessionDbError('conflict', 'Another session has this id. Choose another id.', {
      details: { id: sessionId },
    })
  }
  return { sessionId, eventCount: session.eventCount, unparseable: session.unparseable ?? 0 }
}

function contentId(principal: Principal, sha256: string): string {
  const key = JSON.stringify([principal.tenantId, principal.userId, sha256])
  return `session-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`
}

const MAX_STREAM_BYTES = 64 * 1024 * 1024

async function openContent(log: SessionLog): Promise<LogContent> {
  if ('path' in log) {
    const { path, redact } = log
    const { bytes } = await measure(createReadStream(path))
    const read = () => (bytes === 0 ? nothing() : createReadStream(path, { end: bytes - 1 }))
    return redactedContent(read, redact)
  }
  const chunks = await collect(log.stream)
  const read = async function* () {
    yield* chunks
  }
  return redactedContent(read, log.redact)
}

async function redactedContent(
  read: () => AsyncIterable<Uint8Array>,
  redact: FindSecrets | undefined,
): Promise<LogContent> {
  if (redact === undefined) return { ...(await measure(read())), redactions: null, read }
  const masked = () => {
    const redaction = createRedaction(redact)
    return { redaction, bytes: redactStream(redaction, readLog(read())) }
  }
  const { redaction, bytes } = masked()
  const measured = await measure(bytes).catch(refuse)
  return { ...measured, redactions: redaction.takeCounts(), read: () => masked().bytes }
}

async function measure(
  content: AsyncIterable<Uint8Array>,
): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of content) {
    hash.update(chunk)
    bytes += chunk.byteLength
  }
  return { sha256: hash.digest('hex'), bytes }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.byteLength
    if (size > MAX_STREAM_BYTES) {
      const message = 'The log is larger than 64 MiB, the limit for a stream. Pass a path instead.'
      throw new SessionDbError('too_large', message, { details: { limitBytes: MAX_STREAM_BYTES } })
    }
    chunks.push(chunk)
  }
  return chunks
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
