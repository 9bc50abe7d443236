import type { ClientBase } from 'pg'
import type { ThreadReport } from './import-report.ts'

/**
 * Reads back every thread of the files and compares it with them, message by message. In a dry run the
 * messages that would be inserted count as stored.
 *
 * @param tenant the tenant id as a quoted SQL literal
 */
export async function compareWithDatabase(
  client: ClientBase,
  tenant: string,
  dryRun: boolean,
): Promise<ThreadReport[]> {
  const { rows } = await client.query<Omit<ThreadReport, 'agrees'>>(compareThreads(tenant, dryRun))
  return rows.map((row) => ({ ...row, agrees: row.differences.length === 0 }))
}

/** SHA-256 over id, role, content, client id and time of a row of `chat_messages` or its staging table. */
function digest(row: string): string {
  return `sha256(convert_to(concat_ws('|', octet_length(${row}.id), ${row}.id, ${row}.role,
    octet_length(${row}.content), ${row}.content, coalesce(${row}.client_message_id, ''),
    (extract(epoch FROM ${row}.created_at) * 1000)::bigint), 'UTF8'))`
}

function compareThreads(tenant: string, dryRun: boolean): string {
  const planned = `
    UNION ALL
    SELECT m.id, p.thread_id, p.position, 1, m.parts, m.metadata, ${digest('m')}
    FROM legacy_placed p JOIN legacy_messages m ON m.n = p.n WHERE p.position IS NOT NULL`
  return `
  WITH stored AS MATERIALIZED (
    SELECT c.id, c.thread_id, c.position, c.version, c.parts, c.metadata, ${digest('c')} AS digest
    FROM chat_messages c
    WHERE c.tenant_id = ${tenant} AND c.thread_id IN (SELECT id FROM legacy_expected)
    ${dryRun ? planned : ''}
  ), compared AS (
    SELECT p.thread_id, p.n, p.created_at, m.role, s.id, s.position,
      ${digest('m')} AS file_digest, s.digest AS database_digest,
      s.digest <> ${digest('m')} AS content_differs,
      (s.parts, s.metadata) <> (m.parts, m.metadata) AS metadata_differs,
      p.stored AND s.version > 1
        AND (s.digest, s.parts, s.metadata) <> (${digest('m')}, m.parts, m.metadata) AS edited
    FROM legacy_placed p
    JOIN legacy_messages m ON m.n = p.n
    LEFT JOIN stored s ON s.id = m.id AND s.thread_id = p.thread_id
    WHERE p.same_as IS NULL
  ), per_thread AS (
    SELECT thread_id, count(*) AS count, count(*) FILTER (WHERE role = 'tool') AS tools,
      count(*) FILTER (WHERE database_digest IS NULL) AS missing,
      coalesce(bool_or(content_differs) FILTER (WHERE NOT edited), false) AS content_differs,
      coalesce(bool_or(metadata_differs) FILTER (WHERE NOT edited), false) AS metadata_differs,
      string_agg(file_digest, '' ORDER BY created_at, n) FILTER (WHERE edited IS NOT TRUE) AS file,
      string_agg(database_digest, '' ORDER BY position) FILTER (WHERE NOT edited) AS database,
      array_agg(id ORDER BY position) FILTER (WHERE edited) AS edited
    FROM compared GROUP BY thread_id
  ), counted AS (
    SELECT thread_id, count(*) AS count FROM stored GROUP BY thread_id
  )
  SELECT e.id, e.session_id AS "sessionId", e.title, e.declared_count::float8 AS "declaredCount",
    coalesce(f.count, 0)::int AS "fileCount", coalesce(f.tools, 0)::int AS "toolEventCount",
    coalesce(d.count, 0)::int AS "databaseCount",
    encode(sha256(coalesce(f.file, '')), 'hex') AS "fileHash",
    encode(sha256(coalesce(f.database, '')), 'hex') AS "databaseHash",
    coalesce(f.edited, '{}') AS "editedInDatabase",
    array_remove(ARRAY[
      CASE WHEN ${dryRun ? 'false' : 't.session_id IS DISTINCT FROM e.session_id'} THEN 'session' END,
      CASE WHEN ${dryRun ? 'false' : 't.message_count <> coalesce(d.count, 0)'} THEN 'count' END,
      CASE WHEN f.missing > 0 THEN 'missing' END,
      CASE WHEN f.content_differs THEN 'content' END,
      CASE WHEN f.metadata_differs THEN 'metadata' END,
      CASE WHEN f.missing = 0 AND NOT f.content_differs AND f.file <> f.database THEN 'order' END
    ], NULL) AS differences
  FROM legacy_expected e
  LEFT JOIN per_thread f ON f.thread_id = e.id
  LEFT JOIN counted d ON d.thread_id = e.id
  LEFT JOIN chat_threads t ON t.tenant_id = ${tenant} AND t.id = e.id
  ORDER BY e.index, e.id`
}
