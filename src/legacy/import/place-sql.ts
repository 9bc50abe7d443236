import { extrasSql } from './message-digest.ts'

/**
 * The statements that decide, over the staging tables, what is missing in the database and where it
 * goes. Each makes one temporary table that the next ones read; `tenant` is a quoted literal.
 */
export interface PlaceSql {
  readonly tenant: string
  /** Locks what was read, so that no live write makes another thread active or takes a position. */
  readonly lock: boolean
}

/**
 * Records whose id came before, out of the staging tables: `first` names the one that had it, `same`
 * when they say the same again. Ids
 * are grouped by their hashes first: of millions that takes a fraction of the memory.
 */
export const setRepeatsAside = `
  CREATE TEMP TABLE legacy_repeats ON COMMIT DROP AS
  SELECT 0 AS file, r.index, r.id, 'record ' || f.index AS first,
    to_jsonb(r) - 'index' = to_jsonb(f) - 'index' AS same
  FROM legacy_threads r
  JOIN (SELECT id, min(index) AS index FROM legacy_threads GROUP BY id HAVING count(*) > 1) d
    ON d.id = r.id AND d.index < r.index
  JOIN legacy_threads f ON f.index = d.index
  UNION ALL
  SELECT r.file, r.index, r.id,
    CASE WHEN r.file = f.file THEN 'record ' || f.index
      ELSE 'chat-messages.json[' || f.index || ']' END,
    r.file = f.file AND to_jsonb(r) - '{n,index,start,bytes}'::text[]
        = to_jsonb(f) - '{n,index,start,bytes}'::text[]
  FROM legacy_messages r
  JOIN (
    SELECT id, min(n) AS n FROM legacy_messages
    WHERE hashtextextended(id, 0) IN (
      SELECT hashtextextended(id, 0) FROM legacy_messages GROUP BY 1 HAVING count(*) > 1)
    GROUP BY id HAVING count(*) > 1
  ) d ON d.id = r.id AND d.n < r.n
  JOIN legacy_messages f ON f.n = d.n;
  DELETE FROM legacy_threads t USING legacy_repeats r WHERE r.file = 0 AND r.index = t.index;
  DELETE FROM legacy_messages m USING legacy_repeats r WHERE r.file = m.file AND r.index = m.index;
  CREATE INDEX ON legacy_messages (n);
  CREATE TEMP TABLE legacy_places ON COMMIT DROP AS
  SELECT DISTINCT session_id, thread_id FROM legacy_messages;
  ANALYZE legacy_threads, legacy_places, legacy_messages (n, id, session_id, thread_id)`

/** What the tenant has already of the sessions and threads that the files speak of. */
export function readKnown({ tenant, lock }: PlaceSql): string {
  const locked = lock ? 'FOR NO KEY UPDATE' : ''
  return `
  CREATE TEMP TABLE legacy_known_sessions ON COMMIT DROP AS
  SELECT id FROM sessions
  WHERE tenant_id = ${tenant} AND id IN (
    SELECT session_id FROM legacy_threads UNION SELECT session_id FROM legacy_places
    UNION SELECT t.session_id FROM chat_threads t
      WHERE t.tenant_id = ${tenant} AND t.id IN (
        SELECT id FROM legacy_threads UNION SELECT thread_id FROM legacy_places)
    UNION SELECT s.session_id FROM legacy_messages m
      JOIN chat_messages s ON s.tenant_id = ${tenant} AND s.id = m.id
      WHERE m.thread_id IS NULL AND EXISTS (SELECT FROM legacy_places WHERE thread_id IS NULL))
  ORDER BY id ${locked};
  CREATE TEMP TABLE legacy_known_threads ON COMMIT DROP AS
  SELECT id, session_id, mode, title, status, created_at, last_position FROM chat_threads
  WHERE tenant_id = ${tenant} AND session_id IN (SELECT id FROM legacy_known_sessions)
  ORDER BY session_id, id ${locked};
  ANALYZE legacy_known_sessions, legacy_known_threads`
}

/**
 * The active thread of each session and mode: the one in the database, else the newest of the files.
 */
export const chooseActive = `
  CREATE TEMP TABLE legacy_active ON COMMIT DROP AS
  SELECT DISTINCT ON (session_id, mode) session_id, mode, id FROM (
    SELECT session_id, mode, id, created_at, index, 0 AS live
      FROM legacy_threads WHERE status = 'active'
    UNION ALL
    SELECT session_id, mode, id, created_at, 0, 1 FROM legacy_known_threads WHERE status = 'active'
  ) candidates
  ORDER BY session_id, mode, live DESC, created_at DESC, index DESC;
  ANALYZE legacy_active`

/**
 * The thread of every message, and its position there: messages are ordered by time, then as they
 * stand in the files, after what the thread holds already. The thread is the one the message names,
 * or the one it is in already, or the active one, or one to be made whose id is the same in every
 * run. A client id seen before in the thread means the same message (`same_as`); that is looked into
 * only for those whose hash is there twice, or whose client id is in the database.
 *
 * The messages themselves are read here once: all that later statements need of every one goes along.
 */
export function placeMessages({ tenant }: PlaceSql): string {
  return `
  CREATE TEMP TABLE legacy_targets ON COMMIT DROP AS
  SELECT m.n, m.id, m.session_id, m.mode, m.created_at, m.client_message_id, m.digest,
    ${extrasSql('m')} AS extras, s.id IS NOT NULL AS stored,
    coalesce(m.thread_id, s.thread_id, a.id, 'thread_' || left(encode(sha256(convert_to(
      '[' || to_json(m.session_id) || ',' || to_json(coalesce(m.mode, 'session')) || ']', 'UTF8'
    )), 'hex'), 32)) AS thread_id
  FROM legacy_messages m
  LEFT JOIN chat_messages s ON s.tenant_id = ${tenant} AND s.id = m.id
  LEFT JOIN legacy_active a
    ON a.session_id = m.session_id AND a.mode = coalesce(m.mode, 'session') AND m.thread_id IS NULL;
  CREATE TEMP TABLE legacy_same ON COMMIT DROP AS
  SELECT n, same_as FROM (
    SELECT t.n, nullif(coalesce(sent.id,
      first_value(t.id) OVER (PARTITION BY t.thread_id, t.client_message_id
        ORDER BY t.created_at, t.n)), t.id) AS same_as
    FROM legacy_targets t
    LEFT JOIN chat_messages sent ON sent.tenant_id = ${tenant} AND sent.thread_id = t.thread_id
      AND sent.client_message_id = t.client_message_id
    WHERE t.client_message_id IS NOT NULL AND (sent.id IS NOT NULL OR ${CLIENT_HASH} IN (
      SELECT ${CLIENT_HASH} FROM legacy_targets t WHERE t.client_message_id IS NOT NULL
      GROUP BY 1 HAVING count(*) > 1))
  ) sent_twice WHERE same_as IS NOT NULL;
  ANALYZE legacy_same;
  CREATE TEMP TABLE legacy_placed ON COMMIT DROP AS
  SELECT t.n, t.session_id, t.mode, t.thread_id, t.created_at, t.digest, t.extras, t.stored, s.same_as,
    CASE WHEN s.same_as IS NULL AND NOT t.stored THEN coalesce(k.last_position, 0) +
      row_number() OVER (PARTITION BY t.thread_id, t.stored, s.same_as IS NULL
        ORDER BY t.created_at, t.n)
    END AS position
  FROM legacy_targets t
  LEFT JOIN legacy_same s ON s.n = t.n
  LEFT JOIN legacy_known_threads k ON k.id = t.thread_id;
  DROP TABLE legacy_targets;
  ANALYZE legacy_placed`
}

const CLIENT_HASH = 'hashtextextended(t.thread_id, hashtextextended(t.client_message_id, 0))'

/**
 * The threads to insert: those of the files that are not there, and one for every thread that
 * messages belong to and no record describes. Of the latter, one for messages from before there were
 * threads is active, as the old app would have made it; one that messages name is not.
 */
export const planThreads = `
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
  SELECT c.*, m.created_at AS last_message_at, m.file, m.start, m.bytes
  FROM (
    SELECT thread_id, row_number() OVER ()::int AS number, count(*)::int AS added,
      max(position) AS last_position
    FROM legacy_placed WHERE position IS NOT NULL GROUP BY thread_id
  ) c
  JOIN legacy_placed p ON p.thread_id = c.thread_id AND p.position = c.last_position
  JOIN legacy_messages m ON m.n = p.n;
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
