/** A table whose rows are exported, and imported again in this order. */
export interface ExportedTable {
  readonly table: string
  readonly file: string
  /** Names a row within its tenant. */
  readonly key: readonly string[]
  /** The order of the lines, which is the same for the same rows. */
  readonly order: readonly string[]
  /**
   * Which rows are one user's, and how they are shown; `u` stands for the user. A row that only
   * leads to the user's own is shown without what it says of others.
   */
  readonly userRows: (tenant: string, u: string) => string
}

/** What is left of a session that is another user's, but which the user's own rows belong to. */
const REDUCED_SESSION = `jsonb_build_object(
  'title', 'Session of another user', 'original_name', NULL, 'source_path', NULL,
  'repo_label', NULL, 'repo', NULL, 'workspace_root', NULL, 'content_ref', NULL,
  'content_sha256', NULL, 'content_bytes', NULL, 'event_count', 0, 'metadata', '{}'::jsonb)`

const REDUCED_THREAD = `jsonb_build_object('title', 'Thread of another user', 'metadata', '{}'::jsonb)`

/** Every table that is exported, parents first. */
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
    order: ['id'],
    userRows: (tenant, u) => `
      SELECT r.*, CASE WHEN r.created_by = ${u} THEN '{}' ELSE ${REDUCED_THREAD} END ||
        jsonb_build_object('message_count', coalesce(own.count, 0),
          'last_message_at', own.at, 'last_message_preview', own.preview) AS shown
      FROM chat_threads r
      LEFT JOIN LATERAL (
        SELECT count(*), (array_agg(m.created_at ORDER BY m.position DESC))[1] AS at,
          (array_agg(left(m.content, 280) ORDER BY m.position DESC))[1] AS preview
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
      SELECT r.*, '{}'::jsonb AS shown FROM chat_messages r
      WHERE r.tenant_id = ${tenant} AND r.author_id = ${u}`,
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
  applied_batches: 'answers to writes that were sent here; their txids mean nothing elsewhere',
  session_contents: 'exported as files, under contents/',
  session_content_chunks: 'exported as files, under contents/',
  session_content_garbage: 'bytes that are to be deleted',
  session_uploads: 'work under way: an upload that is not complete is begun again',
  session_db_migrations: 'what this database is, not what a tenant has in it',
}
