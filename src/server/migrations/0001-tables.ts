/** Replaces punctuation by blanks, of which Postgres's own parser would make paths, hosts and tags. */
const BLANKS = (text: string) =>
  ['/', '.', '_', '-', '<', '@', ':', '\\', '+', '='].reduce(
    (replaced, character) => `replace(${replaced}, '${character}', ' ')`,
    text,
  )

/**
 * Sets `more` to the words of `said` that the search needs beside those that Postgres finds: the ends of
 * identifiers, the characters of scripts without spaces, and words beside punctuation beyond ASCII, which
 * the locale C takes for letters: with common punctuation replaced, and the parts in ASCII beside any other.
 * The twin is `searchWords`.
 */
const MORE_WORDS = `
  IF said ~ '[a-z0-9][A-Z]' THEN
    SELECT string_agg(substr(word, start), ' ') INTO more
    FROM regexp_split_to_table(left(said, 20000), '[^A-Za-z0-9]+') AS word,
      generate_series(2, least(length(word), 200)) AS start
    WHERE word ~ '[a-z0-9][A-Z]' AND substr(word, start - 1, 2) ~ '[a-z0-9][A-Z]';
  END IF;
  IF octet_length(said) > char_length(said) THEN
    -- Punctuation as blanks, and the Kelvin sign as the letter whose lower case it has.
    plain := translate(left(said, 20000), '“”‘’„«»‹›—–…•·→←│─└├。、，．：；！？（）「」『』【】《》\u212A', '                                      K');
    more := concat_ws(' ', more,
      regexp_replace(regexp_replace(left(said, 20000), '[^\\u0E00-\\u0EFF\\u1000-\\u109F\\u1780-\\u17FF\\u2E80-\\u2FDF\\u3040-\\u30FF\\u3130-\\u318F\\u31F0-\\u31FF\\u3400-\\u4DBF\\u4E00-\\u9FFF\\uAC00-\\uD7AF\\uF900-\\uFAFF]+', '', 'g'), '(.)', '\\1 ', 'g'),
      plain, ${BLANKS("regexp_replace(plain, '[^\\u0001-\\u007F]+', ' ', 'g')")});
  END IF;`

/**
 * Tables, keys, checks and indexes.
 *
 * - Every key starts with `tenant_id`, and every foreign key is composite, so a child can't point into
 *   another tenant. A tenant id is checked only where no foreign key ties it to a session.
 * - Other indexes start with their most selective column. Before a table's first ANALYZE the planner
 *   rates all indexes that start with `tenant_id` the same, and a prepared plan made then lasts as long
 *   as its connection.
 * - REPLICA IDENTITY FULL is set here because a replication engine that sets it later has to wait for an
 *   exclusive lock.
 * - `chat_threads` is updated by every message. No index covers a column that changes then, and pages
 *   keep free space, so these updates stay heap-only.
 */
export const tables = `
CREATE TABLE sessions (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  owner_id text NOT NULL CHECK (char_length(owner_id) BETWEEN 1 AND 128),
  visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'tenant')),
  -- Kept by triggers; see 0001-access.ts.
  audiences text[] NOT NULL DEFAULT '{}',
  members text[] NOT NULL DEFAULT '{}',
  editors text[] NOT NULL DEFAULT '{}',
  title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 1000),
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready', 'failed')),
  status_reason text,
  progress jsonb CHECK (jsonb_typeof(progress) = 'object'),
  source text NOT NULL DEFAULT 'upload'
    CHECK (source IN ('upload', 'bundled', 'external', 'import')),
  format text NOT NULL DEFAULT 'other' CHECK (char_length(format) BETWEEN 1 AND 100),
  original_name text,
  source_path text,
  repo_label text,
  repo jsonb CHECK (jsonb_typeof(repo) = 'object'),
  workspace_root text,
  model text,
  agent_version text,
  -- The agent's own id of the session, by which a log that has grown is recognised.
  agent_session_id text,
  -- Tokens, cost and time, as far as the log states them.
  totals jsonb CHECK (jsonb_typeof(totals) = 'object'),
  -- Secrets that were masked before they were stored, by kind.
  redactions jsonb CHECK (jsonb_typeof(redactions) = 'object'),
  content_ref text,
  content_sha256 text,
  content_bytes bigint CHECK (content_bytes >= 0),
  event_count integer NOT NULL DEFAULT 0 CHECK (event_count >= 0),
  started_at timestamptz,
  ended_at timestamptz,
  archived_at timestamptz,
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, id)
);
ALTER TABLE sessions REPLICA IDENTITY FULL;
CREATE INDEX sessions_owner_idx ON sessions (owner_id, tenant_id, created_at);
CREATE INDEX sessions_shared_idx ON sessions (tenant_id, created_at)
  WHERE visibility = 'tenant';
CREATE INDEX sessions_audiences_idx ON sessions USING gin (audiences);
CREATE INDEX sessions_content_idx ON sessions (content_ref, tenant_id)
  WHERE content_ref IS NOT NULL;
CREATE INDEX sessions_agent_idx ON sessions (agent_session_id, tenant_id)
  WHERE agent_session_id IS NOT NULL;

CREATE TABLE timeline_events (
  tenant_id text NOT NULL,
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  session_id text NOT NULL,
  seq integer NOT NULL CHECK (seq >= 0),
  kind text NOT NULL CHECK (kind IN ('message', 'reasoning', 'tool_call', 'tool_result',
    'file_change', 'system', 'meta', 'other')),
  role text,
  occurred_at timestamptz,
  title text,
  text text,
  tool_name text,
  call_id text,
  parent_id text,
  -- Why a view may fold the event. Null for the conversation itself.
  fold text,
  data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
  -- Words for the search beside those of the text.
  more_words text,
  -- The parser that wrote the event. Null for events that a user wrote or changed.
  derived_by text,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT timeline_events_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT timeline_events_seq_key UNIQUE (session_id, tenant_id, seq),
  CONSTRAINT timeline_events_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE timeline_events REPLICA IDENTITY FULL;
CREATE INDEX timeline_events_time_idx ON timeline_events (session_id, tenant_id, occurred_at);

-- The words of an event: those between punctuation, and more_words. The first two lexemes keep a search of
-- one tenant or session within the index, however common its words are elsewhere. Words of a text never start
-- with their control characters. Postgres inlines the function, which makes it four times as fast.
CREATE FUNCTION session_db_event_document(
  tenant_id text, session_id text, title text, tool_name text, text text, more_words text
) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_to_tsvector(ARRAY[chr(2) || $1, chr(3) || $2])
    || to_tsvector('pg_catalog.simple'::regconfig, ${BLANKS(
      "left(coalesce($3, '') || ' ' || coalesce($4, '') || ' ' || coalesce($5, ''), 100000)",
    )} || ' ' || left(coalesce($6, ''), 100000))
$$;
-- The words of an event that was not derived. Derivation makes them faster.
CREATE FUNCTION session_db_event_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  said text := left(concat_ws(' ', NEW.title, NEW.tool_name, NEW.text), 100000);
  more text := '';
  plain text;
BEGIN
  ${MORE_WORDS}
  NEW.more_words := coalesce(more, '');
  RETURN NEW;
END $$;
CREATE TRIGGER timeline_events_words
  BEFORE INSERT OR UPDATE OF title, text, tool_name, more_words ON timeline_events
  FOR EACH ROW WHEN (NEW.more_words IS NULL) EXECUTE FUNCTION session_db_event_words();
CREATE INDEX timeline_events_document_idx ON timeline_events
  USING gin (session_db_event_document(tenant_id, session_id, title, tool_name, text, more_words));

CREATE TABLE chat_threads (
  tenant_id text NOT NULL,
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  session_id text NOT NULL,
  created_by text NOT NULL CHECK (char_length(created_by) BETWEEN 1 AND 128),
  mode text NOT NULL CHECK (mode IN ('session', 'general')),
  title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 1000),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
  message_count integer NOT NULL DEFAULT 0 CHECK (message_count >= 0),
  last_position bigint NOT NULL DEFAULT 0 CHECK (last_position >= 0),
  last_message_at timestamptz,
  last_message_preview text CHECK (char_length(last_message_preview) <= 280),
  -- Messages of this thread; see 0001-triggers.ts. No foreign key: it would need an index here.
  head_id text,
  previous_head_id text,
  title_set boolean NOT NULL DEFAULT false,
  -- Those of the session; see 0001-access.ts.
  audiences text[] NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_threads_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT chat_threads_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
ALTER TABLE chat_threads REPLICA IDENTITY FULL;
CREATE UNIQUE INDEX chat_threads_active_key ON chat_threads (session_id, tenant_id, mode)
  WHERE status = 'active';
CREATE INDEX chat_threads_time_idx ON chat_threads (session_id, tenant_id, created_at);
CREATE INDEX chat_threads_audiences_idx ON chat_threads USING gin (audiences);
CREATE INDEX chat_threads_creator_idx ON chat_threads (created_by, tenant_id, created_at);
-- For the foreign key of messages. It comes last: of equal indexes the planner takes the newest.
CREATE UNIQUE INDEX chat_threads_session_key ON chat_threads (session_id, tenant_id, id);

CREATE TABLE chat_messages (
  tenant_id text NOT NULL,
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  thread_id text NOT NULL,
  session_id text NOT NULL,
  author_id text NOT NULL CHECK (char_length(author_id) BETWEEN 1 AND 128),
  role text NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
  content text NOT NULL,
  parts jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(parts) = 'array'),
  parent_id text,
  client_message_id text CHECK (char_length(client_message_id) BETWEEN 1 AND 128),
  status text NOT NULL DEFAULT 'complete' CHECK (status IN ('streaming', 'complete', 'error')),
  position bigint NOT NULL CHECK (position >= 1),
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_messages_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT chat_messages_position_key UNIQUE (thread_id, tenant_id, position),
  CONSTRAINT chat_messages_thread_fkey FOREIGN KEY (tenant_id, session_id, thread_id)
    REFERENCES chat_threads (tenant_id, session_id, id) ON DELETE CASCADE
);
ALTER TABLE chat_messages REPLICA IDENTITY FULL;
CREATE UNIQUE INDEX chat_messages_client_message_id_key
  ON chat_messages (thread_id, tenant_id, client_message_id)
  WHERE client_message_id IS NOT NULL;
-- Finds the messages that follow one: alternatives, and those to attach elsewhere when it is deleted.
CREATE INDEX chat_messages_parent_idx ON chat_messages (parent_id, tenant_id)
  WHERE parent_id IS NOT NULL;
CREATE INDEX chat_messages_first_idx ON chat_messages (thread_id, tenant_id)
  WHERE parent_id IS NULL;
-- The same for a message. It calls no other function of this schema: indexes are built without search_path.
CREATE FUNCTION session_db_message_document(
  tenant_id text, session_id text, content text
) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  said text := left(content, 100000);
  more text := '';
  plain text;
BEGIN
  ${MORE_WORDS}
  RETURN array_to_tsvector(ARRAY[chr(2) || tenant_id, chr(3) || session_id])
    || to_tsvector('pg_catalog.simple'::regconfig,
      ${BLANKS('said')} || ' ' || coalesce(more, ''));
END $$;
CREATE INDEX chat_messages_document_idx ON chat_messages
  USING gin (session_db_message_document(tenant_id, session_id, content));
CREATE INDEX chat_messages_session_idx ON chat_messages (session_id, tenant_id, thread_id);
CREATE INDEX chat_messages_time_idx ON chat_messages USING brin (created_at);
CREATE INDEX chat_messages_streaming_idx ON chat_messages (updated_at) WHERE status = 'streaming';
CREATE INDEX chat_messages_writer_idx ON chat_messages (author_id, tenant_id)
  WHERE status = 'streaming';

-- The pieces of messages that are being streamed; see 0001-streaming.ts. There is no index by session
-- and epoch, which shapes select by: the table holds only the answers of the moment, and an index
-- would cost more per delta than the delta itself.
CREATE TABLE chat_message_deltas (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  seq integer NOT NULL CHECK (seq >= 0),
  session_id text NOT NULL,
  epoch text NOT NULL,
  delta text NOT NULL,
  part jsonb CHECK (jsonb_typeof(part) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- The size of the message including this delta, so that an append checks the limit in constant time.
  total_bytes integer NOT NULL DEFAULT 0 CHECK (total_bytes >= 0),
  CONSTRAINT chat_message_deltas_pkey PRIMARY KEY (tenant_id, message_id, seq),
  CONSTRAINT chat_message_deltas_message_fkey FOREIGN KEY (tenant_id, message_id)
    REFERENCES chat_messages (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE chat_message_deltas REPLICA IDENTITY FULL;

-- How far each user has read a thread, and whether it is pinned. Only that user sees the row.
CREATE TABLE chat_thread_states (
  tenant_id text NOT NULL,
  user_id text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
  thread_id text NOT NULL,
  session_id text NOT NULL,
  read_position bigint NOT NULL DEFAULT 0 CHECK (read_position >= 0),
  pinned_at timestamptz,
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_thread_states_pkey PRIMARY KEY (tenant_id, user_id, thread_id),
  CONSTRAINT chat_thread_states_thread_fkey FOREIGN KEY (tenant_id, session_id, thread_id)
    REFERENCES chat_threads (tenant_id, session_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
ALTER TABLE chat_thread_states REPLICA IDENTITY FULL;
CREATE INDEX chat_thread_states_thread_idx ON chat_thread_states (thread_id, tenant_id, session_id);

-- What a user thinks of a message.
CREATE TABLE chat_message_feedback (
  tenant_id text NOT NULL,
  user_id text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
  message_id text NOT NULL,
  session_id text NOT NULL,
  rating text CHECK (rating IN ('up', 'down')),
  comment text CHECK (char_length(comment) <= 10000),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_message_feedback_pkey PRIMARY KEY (tenant_id, user_id, message_id),
  CONSTRAINT chat_message_feedback_message_fkey FOREIGN KEY (tenant_id, message_id)
    REFERENCES chat_messages (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE chat_message_feedback REPLICA IDENTITY FULL;
CREATE INDEX chat_message_feedback_message_idx ON chat_message_feedback (message_id, tenant_id);
CREATE INDEX chat_message_feedback_session_idx ON chat_message_feedback (session_id, tenant_id, updated_at);

-- What the model calls of a message used, one row per call. The rows outlive their message, thread and
-- session, because otherwise a user could delete a chat to get its quota back. They hold no content.
CREATE TABLE chat_message_usage (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
  message_id text NOT NULL,
  call_id text NOT NULL CHECK (char_length(call_id) BETWEEN 1 AND 256),
  thread_id text NOT NULL,
  session_id text NOT NULL,
  user_id text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
  model text CHECK (char_length(model) <= 256),
  input_tokens bigint NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
  output_tokens bigint NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
  cached_tokens bigint NOT NULL DEFAULT 0 CHECK (cached_tokens >= 0),
  reasoning_tokens bigint NOT NULL DEFAULT 0 CHECK (reasoning_tokens >= 0),
  duration_ms bigint CHECK (duration_ms >= 0),
  cost double precision CHECK (cost >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_message_usage_pkey PRIMARY KEY (tenant_id, message_id, call_id)
);
CREATE INDEX chat_message_usage_user_idx ON chat_message_usage (user_id, tenant_id, created_at);
CREATE INDEX chat_message_usage_session_idx ON chat_message_usage (session_id, tenant_id, created_at);
CREATE INDEX chat_message_usage_time_idx ON chat_message_usage USING brin (created_at);

-- The results of batches, so that a batch that is sent again gets the same answer. Ids are per user: no
-- user can take the id that another one is about to use.
CREATE TABLE applied_batches (
  tenant_id text NOT NULL,
  user_id text NOT NULL,
  batch_id text NOT NULL,
  request_hash text NOT NULL,
  txid bigint,
  result jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT applied_batches_pkey PRIMARY KEY (tenant_id, user_id, batch_id)
);
CREATE INDEX applied_batches_time_idx ON applied_batches USING brin (created_at);

-- The bytes of a session's log. A content with a hash is complete and exists once per tenant, never
-- across tenants, so an upload reveals nothing about other tenants. One without is the draft of a
-- session's upload and is deleted with the session.
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

-- Chunks are compressed one by one, so reading a range decompresses only what it covers.
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
ALTER TABLE session_content_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- Files of chat messages, to which their file parts refer. They are kept in the database with their messages: written,
-- deleted, backed up and exported together. Two uploads are never one row, so that nothing is revealed by a hash.
CREATE TABLE chat_attachments (
  tenant_id text NOT NULL,
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  session_id text NOT NULL,
  created_by text NOT NULL CHECK (char_length(created_by) BETWEEN 1 AND 128),
  name text CHECK (char_length(name) BETWEEN 1 AND 1000),
  -- From the first bytes of the file, when it is complete.
  media_type text,
  total_bytes bigint NOT NULL CHECK (total_bytes >= 1),
  received_bytes bigint NOT NULL DEFAULT 0 CHECK (received_bytes BETWEEN 0 AND total_bytes),
  -- True once a message refers to it.
  attached boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_attachments_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT chat_attachments_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX chat_attachments_session_idx ON chat_attachments (session_id, tenant_id);
CREATE INDEX chat_attachments_unattached_idx ON chat_attachments (created_at) WHERE NOT attached;

CREATE TABLE chat_attachment_chunks (
  tenant_id text NOT NULL,
  attachment_id text NOT NULL,
  start bigint NOT NULL CHECK (start >= 0),
  bytes integer NOT NULL CHECK (bytes > 0),
  codec text NOT NULL CHECK (codec IN ('none', 'gzip', 'zstd')),
  data bytea NOT NULL,
  CONSTRAINT chat_attachment_chunks_pkey PRIMARY KEY (tenant_id, attachment_id, start),
  CONSTRAINT chat_attachment_chunks_attachment_fkey FOREIGN KEY (tenant_id, attachment_id)
    REFERENCES chat_attachments (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE chat_attachment_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- Contents in external stores that may have lost their last session. A transaction can't delete them,
-- so they are noted here, also before they are stored, and a sweep checks and deletes them.
CREATE TABLE session_content_garbage (
  tenant_id text NOT NULL,
  content_ref text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_content_garbage_pkey PRIMARY KEY (tenant_id, content_ref)
);
CREATE INDEX session_content_garbage_time_idx ON session_content_garbage (noted_at);

-- The jobs that receive contents and derive timelines from them.
CREATE TABLE session_uploads (
  tenant_id text NOT NULL,
  session_id text NOT NULL,
  state text NOT NULL DEFAULT 'receiving'
    CHECK (state IN ('receiving', 'queued', 'done', 'failed')),
  total_bytes bigint CHECK (total_bytes >= 0),
  -- The user who uploads; null for imported sessions.
  uploaded_by text,
  -- The log joins the session that has an earlier state of it.
  growing boolean NOT NULL DEFAULT false,
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
CREATE INDEX session_uploads_user_idx ON session_uploads (uploaded_by, tenant_id)
  WHERE state IN ('receiving', 'queued');
CREATE INDEX session_uploads_receiving_idx ON session_uploads (updated_at)
  WHERE state = 'receiving';
`
