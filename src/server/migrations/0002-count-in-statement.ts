import type { Migration } from './migration.ts'

/**
 * Two triggers stand back where the statement has done their work already. Together they cost more
 * than everything else that appending a message takes.
 *
 * A statement that counts a message in its thread itself says so with the setting
 * `session_db.counted`, for its own transaction only; every other insert is counted by the trigger as
 * before. The function looks too, should somebody make the trigger anew. An UPDATE that raises `version` by one and sets a new `updated_at` is what
 * `session_db_touch` would make of it.
 */
export const countInStatement: Migration = {
  name: '0002-count-in-statement',
  sql: `
CREATE OR REPLACE FUNCTION session_db_messages_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  some_behind boolean;
BEGIN
  IF current_setting('session_db.counted', true) = 'on' THEN
    RETURN NULL;
  END IF;
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
CREATE OR REPLACE TRIGGER chat_messages_inserted AFTER INSERT ON chat_messages
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT
  WHEN (current_setting('session_db.counted', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION session_db_messages_inserted();

${touchTrigger('sessions')}
${touchTrigger('chat_threads')}
${touchTrigger('chat_messages')}
`,
}

function touchTrigger(table: string): string {
  return `
CREATE OR REPLACE TRIGGER ${table}_touch BEFORE UPDATE ON ${table}
  FOR EACH ROW
  WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 OR NEW.updated_at = OLD.updated_at)
  EXECUTE FUNCTION session_db_touch();`
}
