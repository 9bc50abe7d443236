/**
 * Streamed messages grow by inserts into `chat_message_deltas`. Updating the message would write its
 * whole text twice to the replication log with every token. When the stream ends, or another writer
 * takes over, the deltas are folded into the message and deleted, in the same transaction.
 *
 * `metadata.stream` of a message holds the `writer` that may append, the number of the first delta that
 * is not yet in the content (`from`), and the `error` that ended the stream. Complete messages have no
 * `metadata.stream`.
 *
 * The twin of this fold, in browsers, the store and the mock, is `foldDelta` in schema/streamed-message.ts.
 */
export const streaming = `
CREATE FUNCTION session_db_stream_from(metadata jsonb)
RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN metadata->'stream'->>'from' ~ '^[0-9]{1,9}$'
    THEN (metadata->'stream'->>'from')::integer END
$$;

CREATE FUNCTION session_db_folded_parts(message_tenant text, message text, parts jsonb, lead text)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  WITH edit AS (
    SELECT seq, delta, (part->>'at')::integer AS at, part FROM chat_message_deltas
    WHERE tenant_id = message_tenant AND message_id = message AND part->>'at' ~ '^[0-9]{1,5}$'
  ), slot AS (
    -- Of each part, the last value that was set, or the one the message has.
    SELECT DISTINCT ON (at) at, seq, CASE WHEN jsonb_typeof(part) = 'object' THEN part ELSE '{}' END AS part
    FROM (
      SELECT (n - 1)::integer, -1, value FROM jsonb_array_elements(parts) WITH ORDINALITY AS there (value, n)
      UNION ALL SELECT at, seq, part->'set' FROM edit WHERE part ? 'set'
      UNION ALL SELECT at, -2, '{}' FROM edit
    ) AS value (at, seq, part)
    ORDER BY at, seq DESC
  ), later AS (
    SELECT edit.at, edit.seq, edit.delta, edit.part FROM edit JOIN slot ON slot.at = edit.at AND edit.seq >= slot.seq
  ), merged AS (
    SELECT at, jsonb_object_agg(key, value ORDER BY seq) AS properties
    FROM later, LATERAL jsonb_each(part->'merge')
    WHERE jsonb_typeof(part->'merge') = 'object' AND key <> 'text' GROUP BY at
  ), added AS (
    SELECT at, string_agg(delta, '' ORDER BY seq) AS text FROM later WHERE delta <> '' GROUP BY at
  ), done AS (
    SELECT at, CASE WHEN added.text IS NULL THEN part || coalesce(properties, '{}')
      ELSE '{"type": "text"}' || part || coalesce(properties, '{}') || jsonb_build_object('text',
        CASE WHEN jsonb_typeof(part->'text') = 'string' THEN part->>'text' ELSE '' END || added.text)
      END AS part
    FROM slot LEFT JOIN merged USING (at) LEFT JOIN added USING (at)
  )
  SELECT CASE WHEN count(*) = 0 THEN '[]'
    WHEN lead = '' THEN jsonb_agg(part ORDER BY at)
    ELSE jsonb_build_array(jsonb_build_object('type', 'text', 'text', lead)) || jsonb_agg(part ORDER BY at) END
  FROM done WHERE part <> '{}'
$$;

CREATE FUNCTION session_db_text_of_parts(parts jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(string_agg(part->>'text', '' ORDER BY n), '')
  FROM jsonb_array_elements(parts) WITH ORDINALITY AS there (part, n)
  WHERE part->'type' = '"text"' AND jsonb_typeof(part->'text') = 'string'
$$;

-- A model refuses a thread with a tool call that has no result. Twin: closedCalls in schema/streamed-message.ts.
CREATE FUNCTION session_db_closed_calls(parts jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(
    CASE WHEN jsonb_typeof(part) = 'object' AND jsonb_typeof(part->'toolCallId') = 'string'
      AND part->>'state' IN ('input-streaming', 'input-available', 'approval-requested', 'approval-responded')
    THEN part || '{"state": "output-error", "errorText": "The answer ended before this tool call did."}'
    ELSE part END ORDER BY n), '[]')
  FROM jsonb_array_elements(parts) WITH ORDINALITY AS there (part, n)
$$;

CREATE FUNCTION session_db_fold_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  next_seq integer := session_db_stream_from(OLD.metadata);
  added record;
  built jsonb := OLD.parts;
  said text := OLD.content;
BEGIN
  IF NEW.status = 'streaming'
    AND OLD.metadata->'stream'->'writer' IS NOT DISTINCT FROM NEW.metadata->'stream'->'writer' THEN
    RETURN NEW;
  END IF;
  SELECT max(seq) + 1 AS next_seq, coalesce(bool_or(part IS NOT NULL), false) AS has_edits,
    coalesce(string_agg(delta, '' ORDER BY seq) FILTER (WHERE part IS NULL), '') AS text
  INTO added
  FROM chat_message_deltas WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;

  IF added.next_seq IS NOT NULL THEN
    next_seq := added.next_seq;
    IF added.has_edits OR added.text <> '' THEN
      said := CASE WHEN OLD.parts = '[]' THEN OLD.content ELSE '' END || added.text;
      IF added.has_edits OR OLD.parts <> '[]' THEN
        built := session_db_folded_parts(OLD.tenant_id, OLD.id, OLD.parts, said);
        IF built <> '[]' THEN
          said := session_db_text_of_parts(built);
        END IF;
      END IF;
    END IF;
    -- Values that the statement itself sets win.
    IF NEW.content = OLD.content THEN
      NEW.content := said;
    END IF;
    IF NEW.parts = OLD.parts THEN
      NEW.parts := built;
    END IF;
    DELETE FROM chat_message_deltas WHERE tenant_id = OLD.tenant_id AND message_id = OLD.id;
  END IF;

  IF NEW.status = 'error' THEN
    NEW.parts := session_db_closed_calls(NEW.parts);
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
