import type { Migration } from './migration.ts'

/**
 * What is being streamed of messages.
 *
 * A streamed message grows by rows that are only added: to update the message itself would put all
 * of its text, twice, into the log of changes with every token. When its stream ends, or another
 * writer takes over, the text is put together once, in the same transaction, and the rows go.
 *
 * There is no index by session and epoch, which shapes are asked for by: the table holds no more than
 * the answers of the moment, and an index would cost each delta more than its text.
 *
 * `metadata.stream` of a message says who may append (`writer`), up to which delta its content goes
 * (`from`), and what broke the stream off (`error`). A complete message has none.
 */
export const messageDeltas: Migration = {
  name: '0003-message-deltas',
  sql: `
CREATE TABLE chat_message_deltas (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  seq integer NOT NULL CHECK (seq >= 0),
  session_id text NOT NULL,
  epoch text NOT NULL,
  delta text NOT NULL,
  part jsonb CHECK (jsonb_typeof(part) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chat_message_deltas_pkey PRIMARY KEY (tenant_id, message_id, seq),
  CONSTRAINT chat_message_deltas_message_fkey FOREIGN KEY (tenant_id, message_id)
    REFERENCES chat_messages (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE chat_message_deltas REPLICA IDENTITY FULL;
CREATE INDEX chat_messages_streaming_idx ON chat_messages (updated_at) WHERE status = 'streaming';

CREATE FUNCTION session_db_stream_from(metadata jsonb)
RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN metadata->'stream'->>'from' ~ '^[0-9]{1,9}$'
    THEN (metadata->'stream'->>'from')::integer END
$$;

CREATE FUNCTION session_db_parts_with_text(parts jsonb, part jsonb, delta text)
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(parts->-1) = 'object' AND parts->-1->'type' = part->'type'
    THEN jsonb_set(parts, '{-1}', (parts->-1) || jsonb_build_object('text',
      CASE WHEN jsonb_typeof(parts->-1->'text') = 'string' THEN parts->-1->>'text' ELSE '' END
        || delta))
    ELSE parts || jsonb_build_array(part || jsonb_build_object('text', delta))
  END
$$;

CREATE FUNCTION session_db_parts_with_part(parts jsonb, part jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(
    (SELECT jsonb_set(parts, ARRAY[(n - 1)::text], part)
     FROM jsonb_array_elements(parts) WITH ORDINALITY AS there (other, n)
     WHERE jsonb_typeof(other) = 'object' AND CASE
       WHEN jsonb_typeof(part->'toolCallId') = 'string'
         THEN other->'toolCallId' = part->'toolCallId'
       ELSE jsonb_typeof(part->'id') = 'string' AND other->'type' = part->'type'
         AND other->'id' = part->'id'
     END
     ORDER BY n LIMIT 1),
    parts || jsonb_build_array(part))
$$;

CREATE FUNCTION ${foldDeltas()}

CREATE TRIGGER chat_messages_fold_deltas BEFORE UPDATE ON chat_messages
  FOR EACH ROW WHEN (OLD.status = 'streaming' AND (NEW.status <> 'streaming'
    OR OLD.metadata->'stream'->'writer' IS DISTINCT FROM NEW.metadata->'stream'->'writer'))
  EXECUTE FUNCTION session_db_fold_deltas();
`,
}

/**
 * The function that puts the text together, for `CREATE FUNCTION`.
 *
 * @param guard what it does first.
 */
export function foldDeltas(guard = ''): string {
  return `session_db_fold_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  next_seq integer := session_db_stream_from(OLD.metadata);
  added record;
  d record;
  said text := OLD.content;
  built jsonb := OLD.parts;
BEGIN${guard}
  SELECT max(seq) + 1 AS next_seq, coalesce(bool_or(part IS NOT NULL), false) AS has_parts,
    coalesce(string_agg(delta, '' ORDER BY seq) FILTER (WHERE part IS NULL), '') AS text
  INTO added
  FROM chat_message_deltas WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;

  IF added.next_seq IS NOT NULL THEN
    next_seq := added.next_seq;
    IF added.has_parts OR built <> '[]' THEN
      FOR d IN SELECT delta, part FROM chat_message_deltas
        WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id ORDER BY seq
      LOOP
        IF d.part IS NULL THEN
          said := said || d.delta;
          IF built <> '[]' THEN
            built := session_db_parts_with_text(built, '{"type": "text"}', d.delta);
          END IF;
        ELSE
          IF built = '[]' AND said <> '' THEN
            built := jsonb_build_array(jsonb_build_object('type', 'text', 'text', said));
          END IF;
          IF d.delta = '' THEN
            built := session_db_parts_with_part(built, d.part);
          ELSE
            built := session_db_parts_with_text(built, d.part, d.delta);
          END IF;
        END IF;
      END LOOP;
    END IF;
    -- What the statement itself says is the last word.
    IF NEW.content = OLD.content THEN
      NEW.content := OLD.content || added.text;
    END IF;
    IF NEW.parts = OLD.parts THEN
      NEW.parts := built;
    END IF;
    DELETE FROM chat_message_deltas WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
  END IF;

  IF NEW.status = 'complete' THEN
    NEW.metadata := NEW.metadata - 'stream';
  ELSIF next_seq IS NOT NULL THEN
    NEW.metadata := NEW.metadata || jsonb_build_object('stream',
      CASE WHEN jsonb_typeof(NEW.metadata->'stream') = 'object' THEN NEW.metadata->'stream'
        ELSE '{}' END || jsonb_build_object('from', next_seq));
  END IF;
  RETURN NEW;
END $$;`
}
