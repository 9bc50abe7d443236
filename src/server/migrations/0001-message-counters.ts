/**
 * Keeps a thread's count, preview, time and last position in step with its messages, one pass per
 * statement whatever its number of rows.
 *
 * Counts are changed by differences, which hold when another transaction changed the thread
 * meanwhile. What the newest message says is read only while the thread is locked, in a statement of
 * its own: an earlier snapshot could miss a message that was committed during the wait.
 */
export const messageCounters = `
CREATE FUNCTION session_db_messages_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  some_behind boolean;
BEGIN
  WITH counted AS (
    UPDATE chat_threads t SET
      message_count = t.message_count + n.added,
      last_position = greatest(t.last_position, n.position),
      last_message_at =
        CASE WHEN n.position >= t.last_position THEN n.created_at ELSE t.last_message_at END,
      last_message_preview =
        CASE WHEN n.position >= t.last_position THEN n.preview ELSE t.last_message_preview END
    FROM (
      SELECT DISTINCT ON (tenant_id, thread_id)
        tenant_id, thread_id, position, created_at, left(content, 280) AS preview,
        count(*) OVER (PARTITION BY tenant_id, thread_id) AS added
      FROM new_rows
      ORDER BY tenant_id, thread_id, position DESC
    ) n
    WHERE t.tenant_id = n.tenant_id AND t.id = n.thread_id
    RETURNING n.position < t.last_position AS behind
  )
  SELECT bool_or(behind) INTO some_behind FROM counted;

  -- Messages put before a position already given: the newest one may be new, old or deleted.
  IF some_behind THEN
    UPDATE chat_threads t SET
      last_message_at = newest.created_at,
      last_message_preview = newest.preview
    FROM (SELECT DISTINCT tenant_id, thread_id FROM new_rows) n
    CROSS JOIN LATERAL (
      SELECT m.created_at, left(m.content, 280) AS preview FROM chat_messages m
      WHERE m.tenant_id = n.tenant_id AND m.thread_id = n.thread_id
      ORDER BY m.position DESC LIMIT 1
    ) newest
    WHERE t.tenant_id = n.tenant_id AND t.id = n.thread_id
      AND (t.last_message_at, t.last_message_preview)
        IS DISTINCT FROM (newest.created_at, newest.preview);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER chat_messages_inserted AFTER INSERT ON chat_messages
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_messages_inserted();

CREATE FUNCTION session_db_messages_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Nothing is left to lock when the thread itself was deleted.
  PERFORM FROM chat_threads t
    WHERE (t.tenant_id, t.id) IN (SELECT tenant_id, thread_id FROM old_rows)
    ORDER BY t.tenant_id, t.id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE chat_threads t SET
    message_count = t.message_count - o.removed,
    last_message_at = newest.created_at,
    last_message_preview = newest.preview
  FROM (
    SELECT tenant_id, thread_id, count(*) AS removed FROM old_rows GROUP BY tenant_id, thread_id
  ) o
  LEFT JOIN LATERAL (
    SELECT m.created_at, left(m.content, 280) AS preview FROM chat_messages m
    WHERE m.tenant_id = o.tenant_id AND m.thread_id = o.thread_id
    ORDER BY m.position DESC LIMIT 1
  ) newest ON true
  WHERE t.tenant_id = o.tenant_id AND t.id = o.thread_id;
  RETURN NULL;
END $$;

CREATE TRIGGER chat_messages_deleted AFTER DELETE ON chat_messages
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_messages_deleted();

CREATE FUNCTION session_db_messages_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A message that streams in is updated often: its thread only while the preview still grows.
  IF NOT EXISTS (
    SELECT tenant_id, thread_id, position, created_at, left(content, 280) FROM new_rows
    EXCEPT
    SELECT tenant_id, thread_id, position, created_at, left(content, 280) FROM old_rows
  ) THEN
    RETURN NULL;
  END IF;
  PERFORM FROM chat_threads t
    WHERE (t.tenant_id, t.id) IN (
      SELECT tenant_id, thread_id FROM new_rows UNION SELECT tenant_id, thread_id FROM old_rows
    )
    ORDER BY t.tenant_id, t.id FOR NO KEY UPDATE;
  UPDATE chat_threads t SET
    message_count = t.message_count + c.difference,
    last_position = greatest(t.last_position, newest.position),
    last_message_at = newest.created_at,
    last_message_preview = newest.preview
  FROM (
    SELECT tenant_id, thread_id, sum(difference) AS difference FROM (
      SELECT tenant_id, thread_id, 1 AS difference FROM new_rows
      UNION ALL
      SELECT tenant_id, thread_id, -1 FROM old_rows
    ) changes
    GROUP BY tenant_id, thread_id
  ) c
  LEFT JOIN LATERAL (
    SELECT m.position, m.created_at, left(m.content, 280) AS preview FROM chat_messages m
    WHERE m.tenant_id = c.tenant_id AND m.thread_id = c.thread_id
    ORDER BY m.position DESC LIMIT 1
  ) newest ON true
  WHERE t.tenant_id = c.tenant_id AND t.id = c.thread_id
    AND (c.difference <> 0 OR newest.position > t.last_position
      OR (t.last_message_at, t.last_message_preview)
        IS DISTINCT FROM (newest.created_at, newest.preview));
  RETURN NULL;
END $$;

CREATE TRIGGER chat_messages_updated AFTER UPDATE ON chat_messages
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_messages_updated();
`
