import { extrasSql, messageDigestSql, metadataSql, partsSql } from './message-digest.ts'
import type { PlaceSql } from './place-sql.ts'

/**
 * Threads by their digests, file and database each in its own order, and the threads that have to be
 * looked at message by message, because something is not the same: few or none, unless the database
 * has moved on. In a dry run those are all, as nothing has been written.
 */
export function summarizeThreads({ tenant }: PlaceSql, dryRun: boolean): string {
  // The digests are taken before the rows are sorted, so that only they are sorted, not the texts.
  return `
  CREATE TEMP TABLE legacy_file_threads ON COMMIT DROP AS
  SELECT thread_id, count(*) AS count, string_agg(digest, '' ORDER BY created_at, n) AS digests,
    string_agg(extras, '' ORDER BY created_at, n) AS extras
  FROM legacy_placed WHERE same_as IS NULL GROUP BY thread_id;
  CREATE TEMP TABLE legacy_database_threads ON COMMIT DROP AS
  SELECT thread_id, count(*) AS count, string_agg(digest, '' ORDER BY position) AS digests,
    string_agg(extras, '' ORDER BY position) AS extras
  FROM (
    SELECT c.thread_id, c.position, ${messageDigestSql('c')} AS digest, ${extrasSql('c')} AS extras
    FROM chat_messages c
    WHERE c.tenant_id = ${tenant} AND c.thread_id IN (SELECT id FROM legacy_expected)
    OFFSET 0
  ) stored
  GROUP BY thread_id;
  CREATE TEMP TABLE legacy_suspects ON COMMIT DROP AS
  SELECT f.thread_id FROM legacy_file_threads f
  LEFT JOIN legacy_database_threads d ON d.thread_id = f.thread_id
  WHERE ${dryRun} OR (d.digests, d.extras) IS DISTINCT FROM (f.digests, f.extras);
  ANALYZE legacy_suspects`
}

/**
 * Every message of the suspect threads beside what the database holds of it, now or, in a dry run,
 * would hold.
 */
export function compareMessages({ tenant }: PlaceSql, dryRun: boolean): string {
  const stored = `
    SELECT id, thread_id, position, version, parts, metadata, ${messageDigestSql('c')} AS digest
    FROM chat_messages c
    WHERE tenant_id = ${tenant} AND thread_id IN (SELECT thread_id FROM legacy_suspects)`
  const planned = `
    UNION ALL
    SELECT c.id, p.thread_id, p.position, 1, ${partsSql('c')}, ${metadataSql('c')}, c.digest
    FROM legacy_placed p JOIN legacy_messages c ON c.n = p.n WHERE p.position IS NOT NULL`
  return `
  CREATE TEMP TABLE legacy_compared ON COMMIT DROP AS
  SELECT p.thread_id, p.n, p.created_at, m.id, m.digest AS file_digest, a.digest AS database_digest,
    a.position, a.digest <> m.digest AS content_differs,
    a.parts <> ${partsSql('m')} OR a.metadata <> ${metadataSql('m')} AS metadata_differs,
    p.stored AND a.version > 1 AND (a.digest, a.parts, a.metadata)
      <> (m.digest, ${partsSql('m')}, ${metadataSql('m')}) AS edited
  FROM legacy_placed p
  JOIN legacy_messages m ON m.n = p.n
  LEFT JOIN (${stored} ${dryRun ? planned : ''}) a ON a.id = m.id AND a.thread_id = p.thread_id
  WHERE p.same_as IS NULL AND p.thread_id IN (SELECT thread_id FROM legacy_suspects)`
}

/** One row per thread of the files: counts and hashes, file against database. */
export function compareThreads({ tenant }: PlaceSql, dryRun: boolean): string {
  return `
  SELECT e.id, e.session_id AS "sessionId", e.title, e.declared_count::float8 AS "declaredCount",
    coalesce(f.count, 0)::int AS "fileCount",
    coalesce(d.count, 0)::int ${dryRun ? '+ coalesce(n.added, 0)' : ''} AS "databaseCount",
    encode(sha256(coalesce(CASE WHEN c.thread_id IS NULL THEN f.digests ELSE c.file END, '')), 'hex')
      AS "fileHash",
    encode(sha256(coalesce(CASE WHEN c.thread_id IS NULL THEN d.digests ELSE c.database END, '')), 'hex')
      AS "databaseHash",
    coalesce(c.edited, '{}') AS "editedInDatabase",
    array_remove(ARRAY[
      CASE WHEN ${dryRun ? 'false' : 't.session_id IS DISTINCT FROM e.session_id'} THEN 'session' END,
      CASE WHEN ${dryRun ? 'false' : 't.message_count <> coalesce(d.count, 0)'} THEN 'count' END,
      CASE WHEN c.missing > 0 THEN 'missing' END,
      CASE WHEN c.content_differs THEN 'content' END,
      CASE WHEN c.metadata_differs THEN 'metadata' END,
      CASE WHEN c.missing = 0 AND NOT c.content_differs AND c.file <> c.database THEN 'order' END
    ], NULL) AS differences
  FROM legacy_expected e
  LEFT JOIN legacy_file_threads f ON f.thread_id = e.id
  LEFT JOIN legacy_database_threads d ON d.thread_id = e.id
  LEFT JOIN (
    SELECT thread_id,
      count(*) FILTER (WHERE database_digest IS NULL) AS missing,
      coalesce(bool_or(content_differs) FILTER (WHERE NOT edited), false) AS content_differs,
      coalesce(bool_or(metadata_differs) FILTER (WHERE NOT edited), false) AS metadata_differs,
      string_agg(file_digest, '' ORDER BY created_at, n)
        FILTER (WHERE edited IS NOT TRUE) AS file,
      string_agg(database_digest, '' ORDER BY position) FILTER (WHERE NOT edited) AS database,
      array_agg(id ORDER BY position) FILTER (WHERE edited) AS edited
    FROM legacy_compared GROUP BY thread_id
  ) c ON c.thread_id = e.id
  LEFT JOIN legacy_added n ON n.thread_id = e.id
  LEFT JOIN chat_threads t ON t.tenant_id = ${tenant} AND t.id = e.id
  ORDER BY e.index, e.id`
}
