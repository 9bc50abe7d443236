/**
 * Grants, and the columns of a session that are derived from them. `audiences` holds everyone who sees the
 * session, `members` who may also chat, `editors` who may also change it, each with the owner. The access
 * rule reads only these columns, so a write is decided on the locked session row alone.
 *
 * `visibility` is the short name for a grant to `tenant`: each follows the other.
 */
export const access = `
CREATE TABLE session_grants (
  tenant_id text NOT NULL,
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  session_id text NOT NULL,
  grantee text NOT NULL
    CHECK (grantee = 'tenant' OR grantee ~ '^[a-z][a-z0-9-]*:.' AND char_length(grantee) <= 256),
  role text NOT NULL CHECK (role IN ('viewer', 'member', 'editor')),
  created_by text NOT NULL CHECK (char_length(created_by) BETWEEN 1 AND 128),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_grants_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT session_grants_grantee_key UNIQUE (session_id, tenant_id, grantee),
  CONSTRAINT session_grants_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE session_grants REPLICA IDENTITY FULL;
CREATE INDEX session_grants_user_idx ON session_grants (created_by, tenant_id)
  WHERE grantee <> 'tenant';

CREATE TRIGGER session_grants_touch BEFORE UPDATE ON session_grants
  FOR EACH ROW EXECUTE FUNCTION session_db_touch();

-- The derived columns of a session with this owner and visibility.
CREATE FUNCTION session_db_access(
  in_tenant text, of_session text, owner text, visibility text,
  OUT audiences text[], OUT members text[], OUT editors text[]
) LANGUAGE sql STABLE AS $$
  SELECT array_agg(grantee ORDER BY grantee COLLATE "C"),
    array_agg(grantee ORDER BY grantee COLLATE "C") FILTER (WHERE rank >= 2),
    array_agg(grantee ORDER BY grantee COLLATE "C") FILTER (WHERE rank >= 3)
  FROM (
    SELECT grantee, max(rank) AS rank FROM (
      SELECT 'user:' || $3 AS grantee, 3 AS rank
      UNION ALL
      SELECT 'tenant', 2 WHERE $4 = 'tenant' AND NOT EXISTS (
        SELECT FROM session_grants g
        WHERE g.session_id = $2 AND g.tenant_id = $1 AND g.grantee = 'tenant')
      UNION ALL
      SELECT g.grantee, CASE g.role WHEN 'viewer' THEN 1 WHEN 'member' THEN 2 ELSE 3 END
      FROM session_grants g
      WHERE g.session_id = $2 AND g.tenant_id = $1 AND (g.grantee <> 'tenant' OR $4 = 'tenant')
    ) AS given
    GROUP BY grantee
  ) AS granted
$$;

CREATE FUNCTION session_db_set_access() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  derived record;
BEGIN
  SELECT * INTO derived
    FROM session_db_access(NEW.tenant_id, NEW.id, NEW.owner_id, NEW.visibility);
  NEW.audiences := derived.audiences;
  NEW.members := derived.members;
  NEW.editors := derived.editors;
  RETURN NEW;
END $$;

-- A new session has no grants, so its columns need no query. Restored ones keep their columns, and
-- their grants follow.
CREATE FUNCTION session_db_set_first_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.audiences <> '{}' THEN
    RETURN NEW;
  END IF;
  NEW.editors := ARRAY['user:' || NEW.owner_id]::text[];
  NEW.members := CASE WHEN NEW.visibility = 'tenant' THEN array_prepend('tenant', NEW.editors) ELSE NEW.editors END;
  NEW.audiences := NEW.members;
  RETURN NEW;
END $$;

CREATE TRIGGER sessions_set_first_access BEFORE INSERT ON sessions
  FOR EACH ROW EXECUTE FUNCTION session_db_set_first_access();
CREATE TRIGGER sessions_set_access BEFORE UPDATE OF owner_id, visibility ON sessions
  FOR EACH ROW WHEN (OLD.owner_id <> NEW.owner_id OR OLD.visibility <> NEW.visibility)
  EXECUTE FUNCTION session_db_set_access();

CREATE FUNCTION session_db_grant_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.visibility = 'tenant' THEN
    INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
      VALUES (NEW.tenant_id, gen_random_uuid()::text, NEW.id, 'tenant',
        CASE WHEN 'tenant' = ANY (NEW.editors) THEN 'editor'
          WHEN 'tenant' = ANY (NEW.members) THEN 'member' ELSE 'viewer' END,
        NEW.owner_id)
      ON CONFLICT (session_id, tenant_id, grantee) DO NOTHING;
  ELSE
    DELETE FROM session_grants
      WHERE session_id = NEW.id AND tenant_id = NEW.tenant_id AND grantee = 'tenant';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER sessions_inserted_grant_tenant AFTER INSERT ON sessions
  FOR EACH ROW WHEN (NEW.visibility = 'tenant') EXECUTE FUNCTION session_db_grant_tenant();
CREATE TRIGGER sessions_updated_grant_tenant AFTER UPDATE OF visibility ON sessions
  FOR EACH ROW WHEN (OLD.visibility <> NEW.visibility) EXECUTE FUNCTION session_db_grant_tenant();

-- The session is locked before its grants are read, so that concurrent grants all count.
CREATE FUNCTION session_db_granted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed session_grants := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  held sessions;
  derived record;
  shown text;
BEGIN
  SELECT * INTO held FROM sessions
    WHERE tenant_id = changed.tenant_id AND id = changed.session_id
    FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT CASE WHEN EXISTS (
      SELECT FROM session_grants g
      WHERE g.session_id = held.id AND g.tenant_id = held.tenant_id AND g.grantee = 'tenant'
    ) THEN 'tenant' ELSE 'private' END INTO shown;
  SELECT * INTO derived FROM session_db_access(held.tenant_id, held.id, held.owner_id, shown);
  UPDATE sessions SET visibility = shown, audiences = derived.audiences,
      members = derived.members, editors = derived.editors
    WHERE tenant_id = held.tenant_id AND id = held.id
      AND (held.visibility, held.audiences, held.members, held.editors)
        IS DISTINCT FROM (shown, derived.audiences, derived.members, derived.editors);
  RETURN NULL;
END $$;

CREATE TRIGGER session_grants_changed AFTER INSERT OR UPDATE OR DELETE ON session_grants
  FOR EACH ROW EXECUTE FUNCTION session_db_granted();

-- The threads of a session have its audiences, so that the shape of all threads needs no subquery: one that
-- isn't confined to a session costs a query per live shape for each session that is shared. The session is
-- locked before they are read, so that a thread that is added while the session is shared gets the new ones.
CREATE FUNCTION session_db_thread_audiences() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT audiences INTO NEW.audiences FROM sessions
    WHERE tenant_id = NEW.tenant_id AND id = NEW.session_id
    FOR NO KEY UPDATE;
  NEW.audiences := coalesce(NEW.audiences, '{}');
  RETURN NEW;
END $$;

CREATE TRIGGER chat_threads_audiences BEFORE INSERT OR UPDATE OF session_id ON chat_threads
  FOR EACH ROW EXECUTE FUNCTION session_db_thread_audiences();

-- No column that a client sees changes, so the version of the threads stays.
CREATE FUNCTION session_db_share_threads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('session_db.untouched', 'on', true);
  UPDATE chat_threads SET audiences = NEW.audiences
    WHERE tenant_id = NEW.tenant_id AND session_id = NEW.id AND audiences <> NEW.audiences;
  PERFORM set_config('session_db.untouched', 'off', true);
  RETURN NULL;
END $$;

CREATE TRIGGER sessions_share_threads AFTER UPDATE ON sessions
  FOR EACH ROW WHEN (OLD.audiences <> NEW.audiences) EXECUTE FUNCTION session_db_share_threads();
`
