import type { ClientBase } from 'pg'

/** A table whose rows are exported, and restored in this order. */
export interface ExportedTable {
  readonly table: string
  readonly file: string
  /** The primary key without `tenant_id`. */
  readonly key: readonly string[]
  /** Columns that are not exported, because the database derives them from others. */
  readonly derived?: readonly string[]
  /** The order of the lines, so that equal rows give equal files. */
  readonly order: readonly string[]
  /**
   * SQL for the rows of one user (`u`), with a column `shown` of values that replace the row's: parents
   * of the user's rows that belong to others are exported without their titles and metadata, and a message
   * that follows another user's follows the user's previous one.
   */
  readonly userRows: (tenant: string, u: string) => string
  /** SQL for the rows of a tenant. Default: all. */
  readonly tenantRows?: (tenant: string) => string
}

/** The part of a session's derived columns that follows from its owner and visibility. */
const ownGrantees = (column: string) => `to_jsonb(ARRAY(
  SELECT g FROM unnest(r.${column}) g WHERE g IN ('tenant', 'user:' || r.owner_id)))`

/** Replaces the values of another user's session. */
const REDUCED_SESSION = `jsonb_build_object(
  'title', 'Session of another user', 'original_name', NULL, 'source_path', NULL,
  'repo_label', NULL, 'repo', NULL, 'workspace_root', NULL, 'content_ref', NULL,
  'content_sha256', NULL, 'content_bytes', NULL, 'event_count', 0, 'metadata', '{}'::jsonb,
  'audiences', ${ownGrantees('audiences')}, 'members', ${ownGrantees('members')},
  'editors', ${ownGrantees('editors')})`

const REDUCED_THREAD = `jsonb_build_object(
  'title', 'Thread of another user', 'title_set', false, 'metadata', '{}'::jsonb)`

/** The complete attachments of a tenant, as `r`: unfinished uploads start again. */
const attachments = (tenant: string) => `
  SELECT r.*, '{}'::jsonb AS shown FROM chat_attachments r
  WHERE r.tenant_id = ${tenant} AND r.received_bytes = r.total_bytes`

const attachmentChunks = (tenant: string) => `
  SELECT c.*, '{}'::jsonb AS shown FROM chat_attachment_chunks c
  JOIN chat_attachments r ON r.tenant_id = c.tenant_id AND r.id = c.attachment_id
  WHERE c.tenant_id = ${tenant} AND r.received_bytes = r.total_bytes`

/** True for a user's attachment in a session that the user's export contains. */
const ofAttachmentsBy = (u: string) => `r.created_by = ${u} AND EXISTS (
  SELECT FROM sessions s WHERE s.tenant_id = r.tenant_id AND s.id = r.session_id
    AND (s.owner_id = ${u}
      OR EXISTS (SELECT FROM chat_threads t WHERE t.tenant_id = s.tenant_id
        AND t.session_id = s.id AND t.created_by = ${u})
      OR EXISTS (SELECT FROM chat_messages m WHERE m.tenant_id = s.tenant_id
        AND m.session_id = s.id AND m.author_id = ${u})))`

/** Every exported table, parents first. */
export const exportedTables: readonly ExportedTable[] = [
  {
    table: 'sessions',
    file: 'sessions.ndjson',
    key: ['id'],
    order: ['id'],
    userRows: (tenant, u) => `
      SELECT r.*, CASE WHEN r.owner_id = ${u} THEN '{}' ELSE ${REDUCED_SESSION} END AS shown
      FROM sessions r
      WHERE r.tenant_id = ${tenant} AND (r.owner_id = ${u}
        OR EXISTS (SELECT FROM chat_threads t WHERE t.tenant_id = r.tenant_id
          AND t.session_id = r.id AND t.created_by = ${u})
        OR EXISTS (SELECT FROM chat_messages m WHERE m.tenant_id = r.tenant_id
          AND m.session_id = r.id AND m.author_id = ${u}))`,
  },
  {
    // Without the grants to the tenant, which follow from their sessions' own columns.
    table: 'session_grants',
    file: 'session-grants.ndjson',
    key: ['id'],
    order: ['session_id', 'id'],
    tenantRows: (tenant) => `
      SELECT r.*, '{}'::jsonb AS shown FROM session_grants r
      WHERE r.tenant_id = ${tenant} AND r.grantee <> 'tenant'`,
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM session_grants r
      JOIN sessions s ON s.tenant_id = r.tenant_id AND s.id = r.session_id
      WHERE r.tenant_id = ${tenant} AND s.owner_id = ${u} AND r.grantee <> 'tenant'`,
  },
  {
    table: 'timeline_events',
    file: 'timeline-events.ndjson',
    key: ['id'],
    order: ['session_id', 'seq'],
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM timeline_events r
      JOIN sessions s ON s.tenant_id = r.tenant_id AND s.id = r.session_id
      WHERE r.tenant_id = ${tenant} AND s.owner_id = ${u}`,
  },
  {
    table: 'chat_threads',
    file: 'chat-threads.ndjson',
    key: ['id'],
    derived: ['audiences'],
    order: ['id'],
    userRows: (tenant, u) => `
      SELECT r.*, CASE WHEN r.created_by = ${u} THEN '{}' ELSE ${REDUCED_THREAD} END ||
        jsonb_build_object('message_count', coalesce(own.count, 0),
          'last_message_at', own.at, 'last_message_preview', own.preview, 'previous_head_id', NULL,
          'head_id', CASE WHEN r.head_id = ANY (own.ids) THEN r.head_id ELSE own.ids[1] END) AS shown
      FROM chat_threads r
      LEFT JOIN LATERAL (
        SELECT count(*), (array_agg(m.created_at ORDER BY m.position DESC)
            FILTER (WHERE m.role <> 'tool'))[1] AS at,
          (array_agg(left(m.content, 280) ORDER BY m.position DESC)
            FILTER (WHERE m.role <> 'tool'))[1] AS preview,
          array_agg(m.id ORDER BY m.position DESC) AS ids
        FROM chat_messages m WHERE m.tenant_id = r.tenant_id AND m.thread_id = r.id
          AND m.author_id = ${u}
      ) own ON true
      WHERE r.tenant_id = ${tenant} AND (r.created_by = ${u} OR own.count > 0)`,
  },
  {
    table: 'chat_messages',
    file: 'chat-messages.ndjson',
    key: ['id'],
    order: ['thread_id', 'position'],
    userRows: (tenant, u) => `
      SELECT r.*, CASE WHEN r.parent_id IS NULL OR parent.author_id = ${u} THEN '{}'::jsonb
        ELSE jsonb_build_object('parent_id', (
          SELECT p.id FROM chat_messages p
          WHERE p.tenant_id = r.tenant_id AND p.thread_id = r.thread_id AND p.author_id = ${u}
            AND p.position < r.position
          ORDER BY p.position DESC LIMIT 1)) END AS shown
      FROM chat_messages r
      LEFT JOIN chat_messages parent
        ON parent.tenant_id = r.tenant_id AND parent.id = r.parent_id
      WHERE r.tenant_id = ${tenant} AND r.author_id = ${u}`,
  },
  {
    table: 'chat_attachments',
    file: 'chat-attachments.ndjson',
    key: ['id'],
    order: ['id'],
    tenantRows: attachments,
    userRows: (tenant, u) => `${attachments(tenant)} AND ${ofAttachmentsBy(u)}`,
  },
  {
    table: 'chat_attachment_chunks',
    file: 'chat-attachment-chunks.ndjson',
    key: ['attachment_id', 'start'],
    order: ['attachment_id', 'start'],
    tenantRows: attachmentChunks,
    userRows: (tenant, u) => `${attachmentChunks(tenant)} AND ${ofAttachmentsBy(u)}`,
  },
  {
    table: 'chat_thread_states',
    file: 'chat-thread-states.ndjson',
    key: ['user_id', 'thread_id'],
    order: ['user_id', 'thread_id'],
    // Of the threads that are exported.
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM chat_thread_states r
      JOIN chat_threads t ON t.tenant_id = r.tenant_id AND t.id = r.thread_id
      WHERE r.tenant_id = ${tenant} AND r.user_id = ${u} AND (t.created_by = ${u}
        OR EXISTS (SELECT FROM chat_messages m WHERE m.tenant_id = t.tenant_id
          AND m.thread_id = t.id AND m.author_id = ${u}))`,
  },
  {
    table: 'chat_message_feedback',
    file: 'chat-message-feedback.ndjson',
    key: ['user_id', 'message_id'],
    order: ['user_id', 'message_id'],
    // On the messages that are exported.
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM chat_message_feedback r
      JOIN chat_messages m ON m.tenant_id = r.tenant_id AND m.id = r.message_id
      WHERE r.tenant_id = ${tenant} AND r.user_id = ${u} AND m.author_id = ${u}`,
  },
  {
    table: 'chat_message_usage',
    file: 'chat-message-usage.ndjson',
    key: ['message_id', 'call_id'],
    order: ['message_id', 'call_id'],
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM chat_message_usage r
      WHERE r.tenant_id = ${tenant} AND r.user_id = ${u}`,
  },
  {
    table: 'chat_message_deltas',
    file: 'chat-message-deltas.ndjson',
    key: ['message_id', 'seq'],
    order: ['message_id', 'seq'],
    userRows: (tenant, u) => `
      SELECT r.*, '{}'::jsonb AS shown FROM chat_message_deltas r
      JOIN chat_messages m ON m.tenant_id = r.tenant_id AND m.id = r.message_id
      WHERE r.tenant_id = ${tenant} AND m.author_id = ${u}`,
  },
]

/** Tables that are not exported, and why. */
export const notExported: Readonly<Record<string, string>> = {
  applied_batches: 'results of writes to this database; their txids mean nothing elsewhere',
  session_audit: 'who did what in this database; session-db audit --json prints it',
  session_contents: 'exported as files under contents/',
  session_content_chunks: 'exported as files under contents/',
  session_content_garbage: 'contents to delete',
  session_uploads: 'unfinished uploads, which start again',
  session_db_migrations: 'about the database, not a tenant',
}

/**
 * COPY options for lines of JSON: quote and delimiter are characters that JSON always escapes, so COPY
 * neither quotes nor escapes anything.
 */
export const LINE_FORMAT = `(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING 'UTF8')`

export interface TableColumns {
  /** Writable columns without `tenant_id`. */
  readonly stored: readonly string[]
  readonly generated: readonly string[]
  readonly text: ReadonlySet<string>
}

export async function tableColumns(client: ClientBase, table: string): Promise<TableColumns> {
  const { rows } = await client.query<{ name: string; type: string; generated: boolean }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type, attgenerated <> '' AS generated
     FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum`,
    [table],
  )
  const names = (generated: boolean) =>
    rows.filter((row) => row.generated === generated).map(({ name }) => name)
  return {
    stored: names(false).filter((name) => name !== 'tenant_id'),
    generated: names(true),
    text: new Set(rows.filter(({ type }) => type === 'text').map(({ name }) => name)),
  }
}
