import { foldDeltas } from './0003-message-deltas.ts'
import type { Migration } from './migration.ts'

/**
 * Each statement copies the conditions of all triggers of its table, reads those of the triggers it
 * comes to anew, and does the same with every CHECK. For a message that is appended they were a sixth
 * of its work. The conditions are in the functions now, which Postgres keeps ready; and a tenant is
 * not checked once more where a foreign key holds it to that of a session.
 */
export const lightTriggers: Migration = {
  name: '0008-light-triggers',
  sql: `
CREATE OR REPLACE FUNCTION session_db_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version = OLD.version + 1 AND NEW.updated_at <> OLD.updated_at THEN
    RETURN NEW;
  END IF;
  IF NEW.version <= OLD.version
    OR current_setting('session_db.counted', true) IS DISTINCT FROM 'on' THEN
    NEW.version := OLD.version + 1;
  END IF;
  IF NEW.updated_at = OLD.updated_at THEN
    NEW.updated_at := now();
  END IF;
  RETURN NEW;
END $$;
${always('sessions_touch BEFORE UPDATE ON sessions', 'session_db_touch')}
${always('chat_threads_touch BEFORE UPDATE ON chat_threads', 'session_db_touch')}
${always('chat_messages_touch BEFORE UPDATE ON chat_messages', 'session_db_touch')}

CREATE OR REPLACE FUNCTION session_db_archive_active_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> 'active' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF OLD.status = 'active' AND OLD.mode = NEW.mode AND OLD.session_id = NEW.session_id THEN
      RETURN NEW;
    END IF;
  END IF;
  PERFORM FROM sessions
    WHERE tenant_id = NEW.tenant_id AND id = NEW.session_id
    FOR NO KEY UPDATE;
  UPDATE chat_threads SET status = 'archived'
    WHERE tenant_id = NEW.tenant_id AND session_id = NEW.session_id AND mode = NEW.mode
      AND status = 'active' AND id <> NEW.id;
  RETURN NEW;
END $$;
${always('chat_threads_activate_on_insert BEFORE INSERT ON chat_threads', 'session_db_archive_active_thread')}
${always(
  'chat_threads_activate_on_update BEFORE UPDATE OF status, mode, session_id ON chat_threads',
  'session_db_archive_active_thread',
)}

CREATE OR REPLACE FUNCTION ${foldDeltas(`
  IF NEW.status = 'streaming'
    AND OLD.metadata->'stream'->'writer' IS NOT DISTINCT FROM NEW.metadata->'stream'->'writer' THEN
    RETURN NEW;
  END IF;`)}
CREATE OR REPLACE TRIGGER chat_messages_fold_deltas BEFORE UPDATE ON chat_messages
  FOR EACH ROW WHEN (OLD.status = 'streaming') EXECUTE FUNCTION session_db_fold_deltas();

-- The function has looked at the setting from the beginning.
CREATE OR REPLACE TRIGGER chat_messages_inserted AFTER INSERT ON chat_messages
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_messages_inserted();

ALTER TABLE timeline_events DROP CONSTRAINT timeline_events_tenant_id_check;
ALTER TABLE chat_threads DROP CONSTRAINT chat_threads_tenant_id_check;
ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_tenant_id_check;
`,
}

function always(trigger: string, functionName: string): string {
  return `CREATE OR REPLACE TRIGGER ${trigger} FOR EACH ROW EXECUTE FUNCTION ${functionName}();`
}
