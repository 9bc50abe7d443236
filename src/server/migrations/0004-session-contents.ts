import type { Migration } from './migration.ts'

/**
 * The bytes of sessions, the jobs that make timelines of them, and full-text search.
 *
 * A content is its chunks, each compressed on its own, so that a range costs what it covers. It is
 * complete when it has a hash; until then it is the draft of one session's upload, and goes with that
 * session. One hash is there once per tenant, never across tenants: nobody learns from an upload what
 * another tenant has.
 *
 * Bytes go when the last session that refers to them goes, in the same transaction. What another
 * store holds cannot be deleted by a transaction: it is noted in \`session_content_garbage\`, also
 * before it is stored, and whoever sweeps looks again whether a session refers to it. Both sides take
 * the same advisory lock, so that a content cannot go while a session is just being given it.
 */
export const sessionContents: Migration = {
  name: '0004-session-contents',
  sql: `
ALTER TABLE sessions ADD COLUMN status_reason text;
ALTER TABLE sessions ADD COLUMN progress jsonb CHECK (jsonb_typeof(progress) = 'object');
CREATE INDEX sessions_content_idx ON sessions (content_ref, tenant_id)
  WHERE content_ref IS NOT NULL;

ALTER TABLE timeline_events ADD COLUMN derived_by text;

CREATE TABLE session_contents (
  tenant_id text NOT NULL,
  id text NOT NULL,
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  draft_of text,
  bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_contents_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT session_contents_draft_fkey FOREIGN KEY (tenant_id, draft_of)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT session_contents_draft_or_complete CHECK ((sha256 IS NULL) <> (draft_of IS NULL))
);
CREATE UNIQUE INDEX session_contents_sha256_key ON session_contents (sha256, tenant_id);
CREATE UNIQUE INDEX session_contents_draft_key ON session_contents (draft_of, tenant_id);

CREATE TABLE session_content_chunks (
  tenant_id text NOT NULL,
  content_id text NOT NULL,
  start bigint NOT NULL CHECK (start >= 0),
  bytes integer NOT NULL CHECK (bytes > 0),
  codec text NOT NULL CHECK (codec IN ('none', 'gzip', 'zstd')),
  data bytea NOT NULL,
  CONSTRAINT session_content_chunks_pkey PRIMARY KEY (tenant_id, content_id, start),
  CONSTRAINT session_content_chunks_content_fkey FOREIGN KEY (tenant_id, content_id)
    REFERENCES session_contents (tenant_id, id) ON DELETE CASCADE
);
-- They are compressed already.
ALTER TABLE session_content_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE session_content_garbage (
  tenant_id text NOT NULL,
  content_ref text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_content_garbage_pkey PRIMARY KEY (tenant_id, content_ref)
);
CREATE INDEX session_content_garbage_time_idx ON session_content_garbage (noted_at);

CREATE TABLE session_uploads (
  tenant_id text NOT NULL,
  session_id text NOT NULL,
  state text NOT NULL DEFAULT 'receiving'
    CHECK (state IN ('receiving', 'queued', 'done', 'failed')),
  total_bytes bigint CHECK (total_bytes >= 0),
  derived_by text,
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  due_at timestamptz NOT NULL DEFAULT now(),
  lease text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_uploads_pkey PRIMARY KEY (tenant_id, session_id),
  CONSTRAINT session_uploads_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX session_uploads_due_idx ON session_uploads (due_at) WHERE state = 'queued';
CREATE INDEX session_uploads_receiving_idx ON session_uploads (updated_at)
  WHERE state = 'receiving';

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

-- The first two lexemes keep a search inside one tenant, or one session, within the index: a common
-- word of all tenants together costs nobody. No text can hold their first character's lexeme.
CREATE FUNCTION session_db_event_document(
  tenant_id text, session_id text, title text, tool_name text, text text
) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_to_tsvector(ARRAY[chr(2) || $1, chr(3) || $2])
    || setweight(to_tsvector('pg_catalog.simple'::regconfig,
         left(coalesce($3, '') || ' ' || coalesce($4, ''), 10000)), 'A')
    || to_tsvector('pg_catalog.simple'::regconfig, left(coalesce($5, ''), 100000))
$$;
CREATE INDEX timeline_events_document_idx ON timeline_events
  USING gin (session_db_event_document(tenant_id, session_id, title, tool_name, text));
`,
}
