/**
 * Version and time of change, and the one active thread per session and mode.
 *
 * Every update raises `version`, so no update leaves its row as it was: a sync engine sends nothing
 * for such an update, and whoever waits for its txid would wait in vain. An `updated_at` that the
 * statement sets itself (an import, for example) is kept.
 *
 * A thread that becomes active archives the one before it. The session's row is locked first, so two
 * threads that become active at the same time follow one another instead of colliding in the index.
 */
export const threadAndVersionTriggers = `
CREATE FUNCTION session_db_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  IF NEW.updated_at = OLD.updated_at THEN
    NEW.updated_at := now();
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER sessions_touch BEFORE UPDATE ON sessions
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();
CREATE TRIGGER chat_threads_touch BEFORE UPDATE ON chat_threads
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();
CREATE TRIGGER chat_messages_touch BEFORE UPDATE ON chat_messages
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();

CREATE FUNCTION session_db_archive_active_thread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM sessions
    WHERE tenant_id = NEW.tenant_id AND id = NEW.session_id
    FOR NO KEY UPDATE;
  UPDATE chat_threads SET status = 'archived'
    WHERE tenant_id = NEW.tenant_id AND session_id = NEW.session_id AND mode = NEW.mode
      AND status = 'active' AND id <> NEW.id;
  RETURN NEW;
END $$;

CREATE TRIGGER chat_threads_activate_on_insert BEFORE INSERT ON chat_threads
  FOR EACH ROW WHEN (NEW.status = 'active')
  EXECUTE FUNCTION session_db_archive_active_thread();
CREATE TRIGGER chat_threads_activate_on_update
  BEFORE UPDATE OF status, mode, session_id ON chat_threads
  FOR EACH ROW WHEN (NEW.status = 'active' AND
    (OLD.status, OLD.mode, OLD.session_id) IS DISTINCT FROM (NEW.status, NEW.mode, NEW.session_id))
  EXECUTE FUNCTION session_db_archive_active_thread();
`
