import { createHash } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import { SessionDbError } from '../../errors.ts'
import type { Principal } from '../../schema/principal.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import { partsOf } from '../../server/store/store-parts.ts'
import { deriveContent } from '../../server/uploads/derivation/derive-session.ts'
import { createRedaction, type RedactionCounts, redactStream } from '../../server/uploads/redact.ts'
import { readLog } from '../../timeline/content.ts'
import type { FindSecrets } from '../../timeline/secrets.ts'
import { storeContent } from '../content-files.ts'
import type {
  LegacyRows,
  MessageFilter,
  MessageRow,
  ThreadFilter,
  ToolRow,
  UploadChanges,
  UploadFilter,
  UploadRow,
} from './legacy-rows.ts'
import type { LegacyThreadRecord } from './records.ts'

type Condition = RawBuilder<unknown>

/** The rows of the drop-in functions in Postgres, read with the store's connections and access rule. */
export function createSqlRows(store: object, principal: Principal): LegacyRows {
  const { pool, policy, preparer, contents, parsers, redact } = partsOf(store)
  const { tenantId, userId } = principal
  const isVisible = () =>
    sql`session.tenant_id = ${tenantId} AND (${policy.see(principal)})` as Condition

  async function run<Row>(statement: RawBuilder<unknown>): Promise<Row[]> {
    return (await pool.query(preparer.prepare(statement))).rows as Row[]
  }

  const messageConditions = ({ id, threadId, sessionId, mode, isOwn }: MessageFilter) => [
    isVisible(),
    ...equal('message.id', id),
    ...equal('message.thread_id', threadId),
    ...equal('message.session_id', sessionId),
    ...equal('thread.mode', mode),
    ...(isOwn ? [sql`(message.author_id = ${userId} OR session.owner_id = ${userId})`] : []),
  ]

  const threadConditions = ({ id, sessionId, mode }: ThreadFilter) => [
    isVisible(),
    ...equal('thread.id', id),
    ...equal('thread.session_id', sessionId),
    ...equal('thread.mode', mode),
  ]

  return {
    async isVisible(sessionId) {
      const rows = await run(
        sql`SELECT 1 FROM sessions AS session WHERE ${isVisible()} AND session.id = ${sessionId}`,
      )
      return rows.length > 0
    },
    async isOwner(sessionId) {
      const rows = await run(
        sql`SELECT 1 FROM sessions AS session
          WHERE session.tenant_id = ${tenantId} AND session.id = ${sessionId}
            AND session.owner_id = ${userId}`,
      )
      return rows.length > 0
    },
    // Tool events are not counted, because the old app did not count them.
    threads: (filter) =>
      run<LegacyThreadRecord>(sql`
        SELECT thread.id, thread.session_id AS "sessionId", thread.mode, thread.title, thread.status,
          thread.message_count - (
            SELECT count(*)::int FROM chat_messages AS tool
            WHERE tool.tenant_id = thread.tenant_id AND tool.thread_id = thread.id
              AND tool.role = 'tool'
          ) AS "messageCount",
          thread.last_message_preview AS "lastMessagePreview",
          ${isoTime('thread.last_message_at')} AS "lastMessageAt",
          ${isoTime('thread.created_at')} AS "createdAt",
          ${isoTime('thread.updated_at')} AS "updatedAt"
        FROM ${THREADS} WHERE ${all(threadConditions(filter))}
        ORDER BY thread.updated_at DESC, thread.created_at DESC, thread.id`),
    threadStates: (filter) =>
      run<{ id: string; isActive: boolean }>(sql`
        SELECT thread.id, thread.status = 'active' AS "isActive"
        FROM ${THREADS} WHERE ${all(threadConditions(filter))}`),
    messages: (filter) =>
      run<MessageRow>(sql`
        SELECT message.id, message.session_id AS "sessionId", thread.mode,
          message.thread_id AS "threadId", message.role, message.content,
          message.client_message_id AS "clientMessageId",
          message.metadata -> 'misalignmentId' AS "misalignmentId",
          message.metadata -> 'evidence' AS evidence,
          message.metadata -> 'contextEvents' AS "contextEvents",
          ${isoTime('message.created_at')} AS "createdAt",
          ${isoTime('message.updated_at')} AS "updatedAt", message.metadata, message.version
        FROM ${MESSAGES} WHERE ${all(messageConditions(filter))} AND message.role <> 'tool'
        ORDER BY message.session_id, message.thread_id, message.position`),
    toolEvents: (filter) =>
      run<ToolRow>(sql`
        SELECT message.id, message.session_id AS "sessionId", message.thread_id AS "threadId",
          message.content AS "toolName", message.metadata,
          CASE WHEN jsonb_typeof(message.parts -> 0) = 'object' THEN message.parts -> 0 ELSE '{}' END
            AS part,
          ${isoTime('message.created_at')} AS "createdAt"
        FROM ${MESSAGES} WHERE ${all(messageConditions(filter))} AND message.role = 'tool'
        ORDER BY coalesce(message.metadata ->> 'startedAt', ${isoTime('message.created_at')}),
          message.thread_id, message.position`),
    uploads: ({ id, originalName, sourcePath, source, isOwn }: UploadFilter) =>
      run<UploadRow>(sql`
        SELECT session.id, coalesce(session.original_name, session.title) AS "originalName",
          ${isoTime('session.created_at')} AS "createdAt", session.metadata -> 'upload' AS upload,
          session.format, session.content_bytes::float8 AS size, session.source,
          session.source_path AS "sourcePath", session.repo_label AS "repoLabel",
          session.repo AS "repoMeta", session.workspace_root AS "workspaceRoot",
          session.owner_id = ${userId} AS "isOwn"
        FROM sessions AS session
        WHERE ${all([
          isVisible(),
          sql`session.content_sha256 IS NOT NULL`,
          ...equal('session.id', id),
          ...equal('session.original_name', originalName),
          ...equal('session.source_path', sourcePath),
          ...equal('session.source', source),
          ...(isOwn ? [sql`session.owner_id = ${userId}`] : []),
        ])}
        ORDER BY session.owner_id = ${userId} DESC, session.created_at, session.id`),
    replaceContent: (sessionId, content, changes) =>
      replaceContent({ tenantId, userId, sessionId }, content, changes),
    async emptySessionsWithChats(sessionIds) {
      const rows = await run<{ id: string }>(emptySessions(principal, sessionIds))
      return rows.map(({ id }) => id)
    },
  }

  async function replaceContent(
    target: { readonly tenantId: string; readonly userId: string; readonly sessionId: string },
    given: Buffer,
    changes: UploadChanges = {},
  ): Promise<void> {
    const { sessionId } = target
    const { content, redactions } = await withoutSecrets(redact, given)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const contentStore = contents.current.scheme === 'pg' ? undefined : contents.current
    await inCopyTransaction(pool, async (client) => {
      const { rows } = await client.query<{ sha256: string | null }>(
        `SELECT content_sha256 AS sha256 FROM sessions
         WHERE tenant_id = $1 AND id = $2 AND owner_id = $3 FOR NO KEY UPDATE`,
        [tenantId, sessionId, userId],
      )
      const [session] = rows
      if (session === undefined) {
        throw new SessionDbError(
          'forbidden',
          'Only the owner of an upload can replace its content.',
        )
      }
      if (Object.keys(changes).length > 0) {
        const { sourcePath, originalName, repoLabel, repoMeta, upload } = changes
        await client.query(
          `UPDATE sessions SET source_path = coalesce($3, source_path),
             original_name = coalesce($4, original_name),
             repo_label = coalesce($5, repo_label), repo = coalesce($6, repo),
             metadata = jsonb_set(metadata, '{upload}', ${UPLOAD_METADATA} || $7)
           WHERE tenant_id = $1 AND id = $2`,
          [tenantId, sessionId, sourcePath, originalName, repoLabel, repoMeta, upload ?? {}],
        )
      }
      if (session.sha256 === sha256) return
      const source = { sha256, bytes: content.length, read: () => once(content) }
      const where = { client, database: pool, tenantId, store: contentStore }
      const { ref } = await storeContent(where, source)
      await client.query(
        `UPDATE sessions SET content_ref = $3, content_sha256 = $4, content_bytes = $5,
           redactions = $6, metadata = jsonb_set(metadata, '{upload}', ${UPLOAD_METADATA} || $7)
         WHERE tenant_id = $1 AND id = $2`,
        [
          ...[tenantId, sessionId, ref, sha256, content.length, redactions],
          { storedAt: new Date().toISOString() },
        ],
      )
      const derivedBy = await deriveContent(client, { tenantId, sessionId }, once(content), {
        parsers,
      })
      await client.query(
        `INSERT INTO session_uploads (tenant_id, session_id, state, total_bytes, derived_by)
         VALUES ($1, $2, 'done', $3, $4)
         ON CONFLICT (tenant_id, session_id) DO UPDATE
         SET state = 'done', total_bytes = $3, derived_by = $4, lease = NULL, updated_at = now()`,
        [tenantId, sessionId, content.length, derivedBy],
      )
    })
  }
}

/** Masks the secrets of a content as an upload does. */
async function withoutSecrets(
  redact: FindSecrets | undefined,
  given: Buffer,
): Promise<{ content: Buffer; redactions: RedactionCounts | null }> {
  if (redact === undefined) return { content: given, redactions: null }
  const redaction = createRedaction(redact)
  const chunks: Uint8Array[] = []
  for await (const chunk of redactStream(redaction, readLog(once(given)))) chunks.push(chunk)
  return { content: Buffer.concat(chunks), redactions: redaction.takeCounts() }
}

const THREADS = sql.raw(`chat_threads AS thread
  JOIN sessions AS session
    ON session.tenant_id = thread.tenant_id AND session.id = thread.session_id`)

const MESSAGES = sql.raw(`chat_messages AS message
  JOIN chat_threads AS thread
    ON thread.tenant_id = message.tenant_id AND thread.id = message.thread_id
  JOIN sessions AS session
    ON session.tenant_id = message.tenant_id AND session.id = message.session_id`)

const UPLOAD_METADATA = `CASE WHEN jsonb_typeof(metadata -> 'upload') = 'object'
  THEN metadata -> 'upload' ELSE '{}' END`

function emptySessions({ tenantId, userId }: Principal, ids: readonly string[]) {
  return sql`
    WITH kept AS (
      UPDATE sessions s SET content_ref = NULL, content_sha256 = NULL, content_bytes = NULL,
        source_path = NULL, event_count = 0, metadata = s.metadata - 'upload' || '{"stub": true}'
      WHERE s.tenant_id = ${tenantId} AND s.owner_id = ${userId} AND s.id = ANY (${ids}::text[])
        AND EXISTS (
          SELECT FROM chat_threads t WHERE t.tenant_id = s.tenant_id AND t.session_id = s.id)
      RETURNING s.tenant_id, s.id
    ), events AS (
      DELETE FROM timeline_events e USING kept
      WHERE e.tenant_id = kept.tenant_id AND e.session_id = kept.id
    ), uploads AS (
      DELETE FROM session_uploads u USING kept
      WHERE u.tenant_id = kept.tenant_id AND u.session_id = kept.id
    )
    SELECT id FROM kept`
}

function equal(column: string, value: string | undefined): Condition[] {
  return value === undefined ? [] : [sql`${sql.ref(column)} = ${value}`]
}

function all(conditions: readonly Condition[]): Condition {
  return sql.join(conditions, sql` AND `)
}

/** A time in the format of `Date.toISOString`. */
function isoTime(column: string): Condition {
  return sql.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
