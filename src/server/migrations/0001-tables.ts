/**
 * Tables, keys, checks and indexes.
 *
 * Every key starts with `tenant_id` and every foreign key is composite, so that a child cannot point
 * into another tenant. Other indexes start with what is most selective: before a table's first
 * ANALYZE the planner takes any index that starts with `tenant_id` for as good as another, and a plan
 * made then lives as long as its connection.
 *
 * REPLICA IDENTITY FULL is set here because a replication engine that has to set it later must wait
 * for an exclusive lock. `chat_threads` is updated by every message: no index holds a column that
 * changes then, and pages keep free space, so that those updates stay heap-only.
 */
export const initialTables = `
CREATE TABLE sessions (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
  id text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 128),
  owner_id text NOT NULL CHECK (char_length(owner_id) BETWEEN 1 AND 128),
  visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'tenant')),
  title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 1000),
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready', 'failed')),
  source text NOT NULL DEFAULT 'upload'
    CHECK (source IN ('upload', 'bundled', 'external', 'import')),
  format text NOT NULL DEFAULT 'other'
    CHECK (format IN ('codex', 'claude-code', 'gemini-cli', 'other')),
  original_name text,
  source_path text,
  repo_label text,
  repo jsonb CHECK (jsonb_typeof(repo) = 'object'),
  workspace_root text,
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

CREATE TABLE timeline_events (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
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
  data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT timeline_events_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT timeline_events_seq_key UNIQUE (session_id, tenant_id, seq),
  CONSTRAINT timeline_events_session_fkey FOREIGN KEY (tenant_id, session_id)
    REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE timeline_events REPLICA IDENTITY FULL;
CREATE INDEX timeline_events_time_idx ON timeline_events (session_id, tenant_id, occurred_at);

CREATE TABLE chat_threads (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
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
CREATE INDEX chat_threads_creator_idx ON chat_threads (created_by, tenant_id, created_at);
-- What a message's thread is looked up by. After the others: of equals, the planner takes the newest.
CREATE UNIQUE INDEX chat_threads_session_key ON chat_threads (session_id, tenant_id, id);

CREATE TABLE chat_messages (
  tenant_id text NOT NULL CHECK (char_length(tenant_id) BETWEEN 1 AND 128),
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
CREATE INDEX chat_messages_session_idx ON chat_messages (session_id, tenant_id, thread_id);
CREATE INDEX chat_messages_time_idx ON chat_messages USING brin (created_at);

CREATE TABLE applied_batches (
  tenant_id text NOT NULL,
  batch_id text NOT NULL,
  user_id text NOT NULL,
  request_hash text NOT NULL,
  txid bigint,
  result jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT applied_batches_pkey PRIMARY KEY (tenant_id, batch_id)
);
CREATE INDEX applied_batches_time_idx ON applied_batches USING brin (created_at);
`
