/**
 * Records who shared, unshared and deleted sessions; `exportData` and `eraseUser` add their own rows. The
 * store puts the user into `session_db.user` for its transaction. Without it the actor is the operator: then
 * only deletions are recorded, because an import shares many sessions.
 *
 * There are no foreign keys: entries outlive what they are about.
 */
export const audit = `
CREATE TABLE session_audit (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  -- Null for an operator.
  user_id text,
  action text NOT NULL CHECK (action IN ('share', 'unshare', 'delete', 'export', 'erase')),
  session_id text,
  details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT session_audit_pkey PRIMARY KEY (tenant_id, id)
);
CREATE INDEX session_audit_time_idx ON session_audit (tenant_id, created_at);

CREATE FUNCTION session_db_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  actor text := nullif(current_setting('session_db.user', true), '');
BEGIN
  IF TG_TABLE_NAME = 'sessions' THEN
    INSERT INTO session_audit (tenant_id, user_id, action, session_id, details)
      VALUES (OLD.tenant_id, actor, 'delete', OLD.id, jsonb_build_object('owner', OLD.owner_id));
  ELSIF TG_OP = 'DELETE' THEN
    -- Not when the session is deleted with its grants.
    INSERT INTO session_audit (tenant_id, user_id, action, session_id, details)
      SELECT OLD.tenant_id, actor, 'unshare', OLD.session_id, jsonb_build_object('grantee', OLD.grantee)
      WHERE EXISTS (SELECT FROM sessions WHERE tenant_id = OLD.tenant_id AND id = OLD.session_id);
  ELSE
    INSERT INTO session_audit (tenant_id, user_id, action, session_id, details)
      VALUES (NEW.tenant_id, actor, 'share', NEW.session_id,
        jsonb_build_object('grantee', NEW.grantee, 'role', NEW.role));
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER sessions_audit AFTER DELETE ON sessions
  FOR EACH ROW EXECUTE FUNCTION session_db_audit();
CREATE TRIGGER session_grants_audit AFTER INSERT OR DELETE OR UPDATE OF role, grantee ON session_grants
  FOR EACH ROW WHEN (coalesce(current_setting('session_db.user', true), '') <> '')
  EXECUTE FUNCTION session_db_audit();
`
