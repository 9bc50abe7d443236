/**
 * Streamed messages grow by inserts into `chat_message_deltas`. Updating the message would write its
 * whole text twice to the replication log with every token. When the stream ends, or another writer
 * takes over, the deltas are folded into the message and deleted, in the same transaction.
 *
 * `metadata.stream` of a message holds the `writer` that may append, the number of the first delta that
 * is not yet in the content (`from`), and the `error` that ended the stream. Complete messages have no
 * `metadata.stream`.
 *
 * The twin of the fold in browsers and in the store is `foldDelta` in schema/fold-delta.ts.
 */
export const streaming = `
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

CREATE FUNCTION session_db_fold_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  next_seq integer := session_db_stream_from(OLD.metadata);
  added record;
  d record;
  said text := OLD.content;
  built jsonb := OLD.parts;
BEGIN
  IF NEW.status = 'streaming'
    AND OLD.metadata->'stream'->'writer' IS NOT DISTINCT FROM NEW.metadata->'stream'->'writer' THEN
    RETURN NEW;
  END IF;
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
    -- Values that the statement itself sets win.
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
END $$;

CREATE TRIGGER chat_messages_fold_deltas BEFORE UPDATE ON chat_messages
  FOR EACH ROW WHEN (OLD.status = 'streaming') EXECUTE FUNCTION session_db_fold_deltas();
`
