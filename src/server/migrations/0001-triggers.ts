/**
 * Triggers have no WHEN condition where a new message passes: Postgres parses such a condition again in
 * each statement, and the conditions took a sixth of the time of appending a message. The functions
 * check the condition instead, and Postgres caches those.
 *
 * The setting `session_db.counted` is `on` for a transaction whose statements count new messages
 * themselves (`COUNTED` in store/plans.ts).
 */
export const triggers = `
-- Every update raises the version, so that no update leaves its row unchanged: a sync engine sends
-- nothing for such an update, and a client that waits for its txid would wait in vain. An updated_at
-- that the statement sets (an import's, for example) is kept. Only a statement that counts messages may
-- raise the version by more than one. The setting session_db.untouched keeps version and time, for changes
-- that no user makes: the audiences of threads, and the time of a session's last activity.
CREATE FUNCTION session_db_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version = OLD.version + 1 AND NEW.updated_at <> OLD.updated_at THEN
    RETURN NEW;
  END IF;
  IF current_setting('session_db.untouched', true) = 'on' THEN
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

CREATE TRIGGER sessions_touch BEFORE UPDATE ON sessions
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();
CREATE TRIGGER chat_threads_touch BEFORE UPDATE ON chat_threads
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();
CREATE TRIGGER chat_messages_touch BEFORE UPDATE ON chat_messages
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();

-- A thread that becomes active archives the active one of its session and mode. The session is locked
-- first, so two threads that become active concurrently take turns and don't collide in the index.
CREATE FUNCTION session_db_archive_active_thread() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER chat_threads_activate_on_insert BEFORE INSERT ON chat_threads
  FOR EACH ROW EXECUTE FUNCTION session_db_archive_active_thread();
CREATE TRIGGER chat_threads_activate_on_update
  BEFORE UPDATE OF status, mode, session_id ON chat_threads
  FOR EACH ROW EXECUTE FUNCTION session_db_archive_active_thread();

-- Branches. Every message but a first one has a parent in its thread, and a thread's head is one of its
-- messages. The store's statements hold this for the messages they add (planNewMessages in
-- store/plans.ts); for other inserts, a message without a parent follows the one before it.
--
-- The planner settings make the plan right that is cached while the table is still empty.
CREATE FUNCTION session_db_message_before(in_tenant text, of_thread text, before bigint) RETURNS text
LANGUAGE sql SET enable_seqscan = off SET enable_sort = off AS $$
  SELECT id FROM chat_messages
  WHERE tenant_id = in_tenant AND thread_id = of_thread AND position < before
  ORDER BY position DESC LIMIT 1
$$;

CREATE FUNCTION session_db_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.parent_id IS NULL AND current_setting('session_db.counted', true) IS DISTINCT FROM 'on' THEN
    NEW.parent_id := session_db_message_before(NEW.tenant_id, NEW.thread_id, NEW.position);
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER chat_messages_follow BEFORE INSERT ON chat_messages
  FOR EACH ROW EXECUTE FUNCTION session_db_follow();

-- Attaches the messages that followed deleted ones to the nearest message before those that is left.
--
-- in_gone: the parents of the deleted messages of the thread, by id
-- returns: the head of the thread, which moves in the same way
CREATE FUNCTION session_db_detach(in_tenant text, of_thread text, in_gone jsonb)
RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  child record;
  parent text;
  head text;
BEGIN
  -- Locked first: a message that another transaction is adding is attached before or after this.
  SELECT head_id INTO head FROM chat_threads
    WHERE tenant_id = in_tenant AND id = of_thread FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  FOR child IN
    SELECT m.id, m.parent_id FROM jsonb_object_keys(in_gone) AS gone (id)
    JOIN chat_messages m ON m.tenant_id = in_tenant AND m.parent_id = gone.id
    ORDER BY m.position
  LOOP
    parent := child.parent_id;
    WHILE in_gone ? parent LOOP
      parent := in_gone->>parent;
    END LOOP;
    UPDATE chat_messages SET parent_id = parent WHERE tenant_id = in_tenant AND id = child.id;
  END LOOP;
  WHILE in_gone ? head LOOP
    head := in_gone->>head;
  END LOOP;
  RETURN head;
END $$;

-- A thread's counters follow its messages, once per statement, whatever its number of rows. The twin
-- for the store's own inserts is countMessages in store/plans.ts.
CREATE FUNCTION session_db_count_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF current_setting('session_db.counted', true) = 'on' THEN
      RETURN NULL;
    END IF;
    IF EXISTS (
      SELECT FROM new_rows added WHERE added.parent_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM chat_messages m WHERE m.tenant_id = added.tenant_id
          AND m.id = added.parent_id AND m.thread_id = added.thread_id)
    ) THEN
      RAISE EXCEPTION 'parent_id of a message must be a message of its thread'
        USING ERRCODE = 'foreign_key_violation';
    END IF;
    PERFORM session_db_count_thread(tenant_id, thread_id, added) FROM (
      SELECT tenant_id, thread_id, count(*)::integer AS added FROM new_rows
      GROUP BY 1, 2 ORDER BY 1, 2
    ) AS changed;
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM session_db_count_thread(tenant_id, thread_id, -removed,
      session_db_detach(tenant_id, thread_id, gone))
    FROM (
      SELECT tenant_id, thread_id, count(*)::integer AS removed, jsonb_object_agg(id, parent_id) AS gone
      FROM old_rows GROUP BY 1, 2 ORDER BY 1, 2
    ) AS changed;
  ELSIF EXISTS (
    -- A message that is edited beyond its preview leaves its thread alone.
    SELECT tenant_id, thread_id, position, created_at, role, left(content, 280) FROM new_rows
    EXCEPT
    SELECT tenant_id, thread_id, position, created_at, role, left(content, 280) FROM old_rows
  ) THEN
    PERFORM session_db_count_thread(tenant_id, thread_id, difference) FROM (
      SELECT tenant_id, thread_id, sum(difference)::integer AS difference FROM (
        SELECT tenant_id, thread_id, 1 AS difference FROM new_rows
        UNION ALL
        SELECT tenant_id, thread_id, -1 FROM old_rows
      ) AS moved
      GROUP BY 1, 2 ORDER BY 1, 2
    ) AS changed;
  END IF;
  RETURN NULL;
END $$;

-- Changes a thread's count by a difference, which holds whatever other transactions added meanwhile.
-- All messages count, but preview and time are those of the last one that is no tool call.
-- The newest message is read by a statement that starts after the thread is locked: an earlier snapshot
-- could miss a message committed during the wait.
--
-- head: the thread's head after messages were deleted
CREATE FUNCTION session_db_count_thread(
  in_tenant text, of_thread text, difference integer, head text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM chat_threads WHERE tenant_id = in_tenant AND id = of_thread FOR NO KEY UPDATE;
  -- The thread was deleted together with its messages.
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE chat_threads AS thread SET
    message_count = thread.message_count + difference,
    last_position = greatest(thread.last_position, newest.position),
    last_message_at = shown.created_at,
    last_message_preview = shown.preview,
    head_id = CASE WHEN difference > 0 THEN newest.id
      WHEN difference < 0 THEN coalesce(head, newest.id) ELSE thread.head_id END
  FROM (VALUES (1)) AS one
  LEFT JOIN LATERAL (
    SELECT m.id, m.position FROM chat_messages AS m
    WHERE m.tenant_id = in_tenant AND m.thread_id = of_thread
    ORDER BY m.position DESC LIMIT 1
  ) AS newest ON true
  LEFT JOIN LATERAL (
    SELECT m.created_at, left(m.content, 280) AS preview FROM chat_messages AS m
    WHERE m.tenant_id = in_tenant AND m.thread_id = of_thread AND m.role <> 'tool'
    ORDER BY m.position DESC LIMIT 1
  ) AS shown ON true
  WHERE thread.tenant_id = in_tenant AND thread.id = of_thread
    AND (difference <> 0 OR newest.position > thread.last_position
      OR (thread.last_message_at, thread.last_message_preview)
        IS DISTINCT FROM (shown.created_at, shown.preview));
END $$;

CREATE TRIGGER chat_messages_inserted AFTER INSERT ON chat_messages
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_count_messages();
CREATE TRIGGER chat_messages_deleted AFTER DELETE ON chat_messages
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_count_messages();
CREATE TRIGGER chat_messages_updated AFTER UPDATE ON chat_messages
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_count_messages();

-- Aborts the transaction of a refused batch. Statements that were pipelined after the refused one then
-- don't run, and its locks are released with the rollback.
CREATE FUNCTION session_db_refuse(permitted boolean, current_version integer, problem text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'session-db refused a batch' USING ERRCODE = 'SDB01', DETAIL = json_build_object(
    'permitted', permitted, 'current', current_version, 'problem', problem)::text;
END $$;

-- Adds the counts of masked secrets.
CREATE FUNCTION session_db_add_counts(counted jsonb, more jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_object_agg(key, total) FROM (
    SELECT key, sum(value::bigint) AS total FROM (
      SELECT * FROM jsonb_each_text(coalesce(counted, '{}'))
      UNION ALL SELECT * FROM jsonb_each_text(more)
    ) AS counts GROUP BY key
  ) AS totals
$$;

-- A content is deleted with the last session that refers to it, in the same transaction. One in another
-- store is noted as garbage. Sessions that take a content hold the same lock, so a content can't be
-- deleted while a session is being given it.
CREATE FUNCTION session_db_content_lock(tenant_id text, content_ref text) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(hashtextextended(tenant_id || chr(1) || content_ref, 7236108451))
$$;

CREATE FUNCTION session_db_contents_released() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  released record;
BEGIN
  FOR released IN
    SELECT DISTINCT o.tenant_id, o.content_ref FROM old_rows o
    WHERE o.content_ref IS NOT NULL
    ORDER BY 1, 2
  LOOP
    PERFORM session_db_content_lock(released.tenant_id, released.content_ref);
    CONTINUE WHEN EXISTS (
      SELECT FROM sessions s
      WHERE s.tenant_id = released.tenant_id AND s.content_ref = released.content_ref
    );
    IF released.content_ref LIKE 'pg:%' THEN
      DELETE FROM session_contents c
        WHERE c.tenant_id = released.tenant_id AND c.sha256 = substr(released.content_ref, 4);
    ELSE
      INSERT INTO session_content_garbage (tenant_id, content_ref)
        VALUES (released.tenant_id, released.content_ref)
        ON CONFLICT DO NOTHING;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE TRIGGER sessions_deleted_release_contents AFTER DELETE ON sessions
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION session_db_contents_released();

CREATE FUNCTION session_db_content_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM session_db_content_lock(OLD.tenant_id, OLD.content_ref);
  IF NOT EXISTS (
    SELECT FROM sessions s
    WHERE s.tenant_id = OLD.tenant_id AND s.content_ref = OLD.content_ref
  ) THEN
    INSERT INTO session_content_garbage (tenant_id, content_ref)
      VALUES (OLD.tenant_id, OLD.content_ref)
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER sessions_content_replaced AFTER UPDATE OF content_ref ON sessions
  FOR EACH ROW WHEN (OLD.content_ref IS NOT NULL
    AND OLD.content_ref IS DISTINCT FROM NEW.content_ref)
  EXECUTE FUNCTION session_db_content_replaced();

-- An attachment is deleted with the last message of its session that refers to it. It is locked before the
-- messages are searched, so that a message that is written concurrently counts.
CREATE FUNCTION session_db_attachment_ids(parts jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(array_agg(DISTINCT id #>> '{}'), '{}')
  FROM (
    SELECT jsonb_path_query(parts, '$[*].providerMetadata.sessionDb.attachmentId')
    UNION SELECT jsonb_path_query(parts, '$[*].resultProviderMetadata.sessionDb.attachmentId')
  ) AS found (id)
$$;

CREATE FUNCTION session_db_attach() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT coalesce(NEW.parts @? '$[*] ? (exists(@.providerMetadata.sessionDb.attachmentId)
    || exists(@.resultProviderMetadata.sessionDb.attachmentId))', false)
    OR TG_OP = 'UPDATE' AND OLD.parts IS NOT DISTINCT FROM NEW.parts THEN
    RETURN NULL;
  END IF;
  UPDATE chat_attachments SET attached = true
    WHERE tenant_id = NEW.tenant_id AND session_id = NEW.session_id
      AND id = ANY (session_db_attachment_ids(NEW.parts));
  RETURN NULL;
END $$;

CREATE FUNCTION session_db_detach() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ids text[];
BEGIN
  IF NOT coalesce(OLD.parts @? '$[*] ? (exists(@.providerMetadata.sessionDb.attachmentId)
    || exists(@.resultProviderMetadata.sessionDb.attachmentId))', false)
    OR TG_OP = 'UPDATE' AND OLD.parts IS NOT DISTINCT FROM NEW.parts THEN
    RETURN NULL;
  END IF;
  ids := session_db_attachment_ids(OLD.parts);
  PERFORM FROM chat_attachments a
    WHERE a.tenant_id = OLD.tenant_id AND a.session_id = OLD.session_id AND a.id = ANY (ids)
    ORDER BY a.id FOR UPDATE;
  DELETE FROM chat_attachments a
    WHERE a.tenant_id = OLD.tenant_id AND a.session_id = OLD.session_id AND a.id = ANY (ids)
      AND NOT EXISTS (
        SELECT FROM chat_messages m
        WHERE m.session_id = a.session_id AND m.tenant_id = a.tenant_id
          AND (m.parts @> jsonb_build_array(jsonb_build_object('providerMetadata',
              jsonb_build_object('sessionDb', jsonb_build_object('attachmentId', a.id))))
            OR m.parts @> jsonb_build_array(jsonb_build_object('resultProviderMetadata',
              jsonb_build_object('sessionDb', jsonb_build_object('attachmentId', a.id))))));
  RETURN NULL;
END $$;

-- Not UPDATE OF parts: the trigger that folds the deltas of an answer sets parts in an update of the status.
CREATE TRIGGER chat_messages_attach AFTER INSERT OR UPDATE ON chat_messages
  FOR EACH ROW EXECUTE FUNCTION session_db_attach();
CREATE TRIGGER chat_messages_detach AFTER UPDATE OR DELETE ON chat_messages
  FOR EACH ROW EXECUTE FUNCTION session_db_detach();
`
