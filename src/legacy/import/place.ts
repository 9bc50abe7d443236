import type { ClientBase } from 'pg'
import {
  type IssueList,
  MAX_LISTED_ISSUES,
  type RecordIssue,
  SNAPSHOT_FILES,
  type SnapshotFileName,
} from './import-report.ts'

/**
 * Decides, in temporary tables over the staged records, what the database lacks and where it goes:
 *
 * - `legacy_repeats`: records with the id of an earlier one, which leave the staging tables
 * - `legacy_known_sessions`, `legacy_known_threads`: rows that exist already
 * - `legacy_placed`: each message with its thread, and its position if it is to be inserted
 * - `legacy_new_threads`, `legacy_added`: threads to insert, and messages to add per thread, with the
 *   last one that is not a tool event
 * - `legacy_expected`: every thread that the files are about, for the report
 *
 * Nothing else is written.
 */
export interface PlaceOptions {
  /** The tenant id as a quoted SQL literal. */
  readonly tenant: string
  /** Locks the rows that were read, so that no live write activates a thread or takes a position. */
  readonly lock: boolean
}

/** A record with the id of an earlier one and other content, and where it stands in its file. */
export interface RepeatedRecord {
  readonly issue: RecordIssue
  readonly start: number
  readonly bytes: number
}

/**
 * Takes records whose id came before out of the staging tables. Identical ones are noted.
 *
 * @returns those with other content, in the order of the files.
 */
export async function removeRepeats(
  client: ClientBase,
  notes: IssueList,
): Promise<readonly RepeatedRecord[]> {
  await client.query(REMOVE_REPEATS)
  const repeats = (reason: string, which: string) =>
    `SELECT file, index, start, bytes, id, ${reason} AS reason FROM legacy_repeats WHERE ${which}`
  await addNotes(client, notes, repeats("'repeats ' || first", 'same'))
  const { rows } = await client.query<OddRecord & { start: string; bytes: number }>(
    `${repeats("'has the same id as ' || first || ' and other content'", 'NOT same')}
     ORDER BY file, index`,
  )
  return rows.map((row) => ({ issue: toIssue(row), start: Number(row.start), bytes: row.bytes }))
}

const PLACE_COLUMNS = `'{n,file,index,start,bytes}'::text[]`
const REMOVE_REPEATS = `
  CREATE TEMP TABLE legacy_repeats ON COMMIT DROP AS
  SELECT r.file, r.index, r.start, r.bytes, r.id, 'record ' || f.index AS first,
    to_jsonb(r) - ${PLACE_COLUMNS} = to_jsonb(f) - ${PLACE_COLUMNS} AS same
  FROM legacy_threads r
  JOIN (SELECT id, min(index) AS index FROM legacy_threads GROUP BY id HAVING count(*) > 1) d
    ON d.id = r.id AND d.index < r.index
  JOIN legacy_threads f ON f.index = d.index
  UNION ALL
  SELECT r.file, r.index, r.start, r.bytes, r.id,
    CASE WHEN r.file = f.file THEN 'record ' || f.index
      ELSE 'chat-messages.json[' || f.index || ']' END,
    r.file = f.file AND to_jsonb(r) - ${PLACE_COLUMNS} = to_jsonb(f) - ${PLACE_COLUMNS}
  FROM legacy_messages r
  JOIN (SELECT id, min(n) AS n FROM legacy_messages GROUP BY id HAVING count(*) > 1) d
    ON d.id = r.id AND d.n < r.n
  JOIN legacy_messages f ON f.n = d.n;
  DELETE FROM legacy_threads t USING legacy_repeats r WHERE r.file = 0 AND r.index = t.index;
  DELETE FROM legacy_messages m USING legacy_repeats r WHERE r.file = m.file AND r.index = m.index;
  ALTER TABLE legacy_messages ADD PRIMARY KEY (n)`

/** Fills the other tables, and notes records that are imported with a change. */
export async function placeRecords(
  client: ClientBase,
  options: PlaceOptions,
  notes: IssueList,
): Promise<void> {
  await client.query(readKnown(options))
  await client.query(placeMessages(options))
  await client.query(PLAN_THREADS)
  for (const query of CHANGED_RECORDS) await addNotes(client, notes, query)
}

/** The tenant's sessions and threads that the files mention. */
function readKnown({ tenant, lock }: PlaceOptions): string {
  const locked = lock ? 'FOR NO KEY UPDATE' : ''
  return `
  CREATE TEMP TABLE legacy_known_sessions ON COMMIT DROP AS
  SELECT id FROM sessions
  WHERE tenant_id = ${tenant} AND id IN (
    SELECT session_id FROM legacy_threads UNION SELECT session_id FROM legacy_messages
    UNION SELECT t.session_id FROM chat_threads t
      WHERE t.tenant_id = ${tenant} AND t.id IN (
        SELECT id FROM legacy_threads UNION SELECT thread_id FROM legacy_messages)
    UNION SELECT s.session_id FROM legacy_messages m
      JOIN chat_messages s ON s.tenant_id = ${tenant} AND s.id = m.id
      WHERE m.thread_id IS NULL)
  ORDER BY id ${locked};
  CREATE TEMP TABLE legacy_known_threads ON COMMIT DROP AS
  SELECT id, session_id, mode, title, status, created_at, last_position, head_id FROM chat_threads
  WHERE tenant_id = ${tenant} AND session_id IN (SELECT id FROM legacy_known_sessions)
  ORDER BY session_id, id ${locked};
  ANALYZE legacy_known_sessions, legacy_known_threads`
}

/**
 * The thread of a message is the one it names, or the one it is in already, or the active one of its
 * session and mode, or one to be made whose id is the same in every run. The active thread is the one
 * in the database, or the newest of the files.
 *
 * Messages are ordered by time, then as in the files, after those that the thread has already. A
 * client id seen before in the thread means the same message (`same_as`).
 */
function placeMessages({ tenant }: PlaceOptions): string {
  return `
  CREATE TEMP TABLE legacy_active ON COMMIT DROP AS
  SELECT DISTINCT ON (session_id, mode) session_id, mode, id FROM (
    SELECT session_id, mode, id, created_at, index, 0 AS live
      FROM legacy_threads WHERE status = 'active'
    UNION ALL
    SELECT session_id, mode, id, created_at, 0, 1 FROM legacy_known_threads WHERE status = 'active'
  ) candidates
  ORDER BY session_id, mode, live DESC, created_at DESC, index DESC;
  CREATE TEMP TABLE legacy_placed ON COMMIT DROP AS
  WITH targets AS (
    SELECT m.n, m.id, m.created_at, m.client_message_id, s.id IS NOT NULL AS stored,
      coalesce(m.thread_id, s.thread_id, a.id, 'thread_' || left(encode(sha256(convert_to(
        '[' || to_json(m.session_id) || ',' || to_json(coalesce(m.mode, 'session')) || ']', 'UTF8'
      )), 'hex'), 32)) AS thread_id
    FROM legacy_messages m
    LEFT JOIN chat_messages s ON s.tenant_id = ${tenant} AND s.id = m.id
    LEFT JOIN legacy_active a
      ON a.session_id = m.session_id AND a.mode = coalesce(m.mode, 'session') AND m.thread_id IS NULL
  ), same AS (
    SELECT t.n, nullif(coalesce(sent.id, first_value(t.id) OVER (
      PARTITION BY t.thread_id, t.client_message_id ORDER BY t.created_at, t.n)), t.id) AS same_as
    FROM targets t
    LEFT JOIN chat_messages sent ON sent.tenant_id = ${tenant} AND sent.thread_id = t.thread_id
      AND sent.client_message_id = t.client_message_id
    WHERE t.client_message_id IS NOT NULL
  )
  SELECT t.n, t.thread_id, t.created_at, t.stored, s.same_as,
    CASE WHEN s.same_as IS NULL AND NOT t.stored THEN coalesce(k.last_position, 0) +
      row_number() OVER (PARTITION BY t.thread_id, t.stored, s.same_as IS NULL
        ORDER BY t.created_at, t.n)
    END AS position
  FROM targets t
  LEFT JOIN same s ON s.n = t.n
  LEFT JOIN legacy_known_threads k ON k.id = t.thread_id;
  ANALYZE legacy_active, legacy_placed`
}

/**
 * Threads to insert: those of the files that do not exist, and one for every thread that only messages
 * mention. Of the latter, one for messages from before there were threads is active, as the old app
 * would have made it; one that messages name is archived.
 */
const PLAN_THREADS = `
  CREATE TEMP TABLE legacy_recovered ON COMMIT DROP AS
  WITH bounds AS (
    SELECT DISTINCT thread_id,
      first_value(n) OVER ordered AS first_n, last_value(n) OVER ordered AS last_n
    FROM legacy_placed p
    WHERE NOT EXISTS (SELECT FROM legacy_threads t WHERE t.id = p.thread_id)
      AND NOT EXISTS (SELECT FROM legacy_known_threads k WHERE k.id = p.thread_id)
      AND same_as IS NULL
    WINDOW ordered AS (PARTITION BY thread_id ORDER BY created_at, n
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  ), found AS (
    SELECT b.thread_id AS id, f.session_id, coalesce(f.mode, 'session') AS mode,
      CASE WHEN f.thread_id IS NULL THEN 'active' ELSE 'archived' END AS status,
      f.created_at, l.updated_at,
      row_number() OVER (PARTITION BY f.session_id, coalesce(f.mode, 'session')
        ORDER BY f.created_at, f.n) + (
          SELECT count(*) FROM (
            SELECT t.session_id, t.mode FROM legacy_threads t
              WHERE NOT EXISTS (SELECT FROM legacy_known_threads k WHERE k.id = t.id)
            UNION ALL SELECT session_id, mode FROM legacy_known_threads
          ) o WHERE o.session_id = f.session_id AND o.mode = coalesce(f.mode, 'session')
        ) AS number
    FROM bounds b
    JOIN legacy_messages f ON f.n = b.first_n
    JOIN legacy_messages l ON l.n = b.last_n
  )
  SELECT id, session_id, mode, status, created_at, updated_at,
    CASE mode WHEN 'session' THEN 'Session Coach' ELSE 'General' END ||
      CASE WHEN number > 1 THEN ' #' || number ELSE '' END AS title,
    '{"recovered": true}'::jsonb AS metadata
  FROM found;
  CREATE TEMP TABLE legacy_new_threads ON COMMIT DROP AS
  SELECT t.id, t.session_id, t.mode, t.title, t.metadata, t.created_at, t.updated_at,
    CASE WHEN t.status = 'active' AND a.id = t.id THEN 'active' ELSE 'archived' END AS status
  FROM legacy_threads t
  LEFT JOIN legacy_active a ON a.session_id = t.session_id AND a.mode = t.mode
  WHERE NOT EXISTS (SELECT FROM legacy_known_threads k WHERE k.id = t.id)
  UNION ALL
  SELECT id, session_id, mode, title, metadata, created_at, updated_at, status FROM legacy_recovered;
  CREATE TEMP TABLE legacy_added ON COMMIT DROP AS
  SELECT c.*, last.created_at AS last_message_at, last.preview, m.id AS head_id
  FROM (
    SELECT thread_id, count(*)::int AS added, max(position) AS last_position
    FROM legacy_placed WHERE position IS NOT NULL GROUP BY thread_id
  ) c
  JOIN legacy_placed p ON p.thread_id = c.thread_id AND p.position = c.last_position
  JOIN legacy_messages m ON m.n = p.n
  LEFT JOIN (
    SELECT DISTINCT ON (p.thread_id) p.thread_id, m.created_at, left(m.content, 280) AS preview
    FROM legacy_placed p JOIN legacy_messages m ON m.n = p.n
    WHERE p.position IS NOT NULL AND m.role <> 'tool'
    ORDER BY p.thread_id, p.position DESC
  ) last ON last.thread_id = c.thread_id;
  CREATE TEMP TABLE legacy_expected ON COMMIT DROP AS
  SELECT coalesce(t.id, r.id, k.id) AS id,
    coalesce(k.session_id, t.session_id, r.session_id) AS session_id,
    coalesce(k.mode, t.mode, r.mode) AS mode,
    coalesce(t.title, r.title, k.title) AS title, t.declared_count, t.index
  FROM legacy_threads t
  FULL JOIN legacy_recovered r ON r.id = t.id
  FULL JOIN legacy_known_threads k ON k.id = coalesce(t.id, r.id)
  WHERE t.id IS NOT NULL OR r.id IS NOT NULL
    OR k.id IN (SELECT thread_id FROM legacy_placed);
  ANALYZE legacy_new_threads, legacy_added, legacy_expected`

/** Each selects file, index, id and reason of records that are imported with a change. */
const CHANGED_RECORDS = [
  `SELECT 0 AS file, t.index, t.id,
     'exists in the database under another session; left there' AS reason
   FROM legacy_threads t JOIN legacy_known_threads k ON k.id = t.id
   WHERE k.session_id <> t.session_id`,
  `SELECT 0 AS file, t.index, t.id,
     'archived: another thread of this session and mode is active' AS reason
   FROM legacy_threads t JOIN legacy_new_threads n ON n.id = t.id
   WHERE t.status = 'active' AND n.status <> 'active'`,
  `SELECT m.file, m.index, m.id,
     'same clientMessageId as ' || p.same_as || ': treated as the same message' AS reason
   FROM legacy_placed p JOIN legacy_messages m ON m.n = p.n WHERE p.same_as IS NOT NULL`,
  `SELECT m.file, m.index, m.id, CASE WHEN m.thread_id IS NULL
     THEN 'no threadId and no active thread: created thread ' || p.thread_id
     ELSE 'thread ' || p.thread_id || ' has no record: created it, archived'
   END AS reason
   FROM legacy_recovered r JOIN legacy_placed p ON p.thread_id = r.id
   JOIN legacy_messages m ON m.n = p.n WHERE p.same_as IS NULL`,
  `SELECT m.file, m.index, m.id,
     CASE WHEN e.session_id <> m.session_id
       THEN 'session ' || m.session_id || ' is not the session of its thread; used the thread''s'
       ELSE 'mode ' || m.mode || ' is not the mode of its thread; used the thread''s'
     END AS reason
   FROM legacy_placed p JOIN legacy_messages m ON m.n = p.n
   JOIN legacy_expected e ON e.id = p.thread_id
     AND (e.session_id <> m.session_id OR e.mode <> m.mode)
   WHERE p.same_as IS NULL`,
]

interface OddRecord {
  readonly file: number
  readonly index: number
  readonly id: string
  readonly reason: string
}

function toIssue({ file, index, id, reason }: OddRecord): RecordIssue {
  return { file: SNAPSHOT_FILES[file] as SnapshotFileName, index, id, reason }
}

async function addNotes(client: ClientBase, notes: IssueList, query: string): Promise<void> {
  const { rows } = await client.query<OddRecord & { total: number }>(
    `SELECT *, count(*) OVER ()::int AS total FROM (${query}) notes
     ORDER BY file, index LIMIT ${MAX_LISTED_ISSUES}`,
  )
  for (const row of rows) notes.add(toIssue(row))
  notes.addUnlisted((rows[0]?.total ?? 0) - rows.length)
}
