/**
 * Streamed messages grow by inserts into `chat_message_deltas`. Updating the message would write its
 * whole text twice to the replication log with every token. When the stream ends, or another writer
 * takes over, the deltas are folded into the message and deleted, in the same transaction.
 *
 * `metadata.stream` of a message holds the `writer` that may append, the number of the first delta that
 * is not yet in the content (`from`), and the `error` that ended the stream. Complete messages have no
 * `metadata.stream`.
 *
 * `foldDelta` in schema/streamed-message.ts does the same in browsers and in `readMessage`.
 */
export const streaming = `
CREATE FUNCTION session_db_stream_from(metadata jsonb)
RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN metadata->'stream'->>'from' ~ '^[0-9]{1,9}$'
    THEN (metadata->'stream'->>'from')::integer END
$$;

-- Adds a message's deltas to its parts, with foldDelta of schema/streamed-message.ts as its twin:
-- - a delta without a part is text of the answer, which becomes the first part once another part comes,
-- - a text goes to the last part if that has the same type, or else to a new part,
-- - a part without a text replaces the one with its key, or else is added.
-- It makes one pass, joins each part's texts once at the end and finds keys by the previous delta with the
-- same key: rebuilding jsonb for each delta took 16 s for 10,000 of them.
CREATE FUNCTION session_db_folded_parts(of_tenant text, of_message text, content text, parts jsonb)
RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  step record;
  target integer;
  -- By part: the part without the streamed texts, whether it has any, and the step that set it.
  bases jsonb[] := '{}';
  grows boolean[] := '{}';
  set_by integer[] := '{}';
  parts_count integer := 0;
  last_type jsonb;
  -- By step: its text, the part that the text goes to, and the part with the step's key.
  texts text[] := '{}';
  part_of integer[] := '{}';
  with_key integer[] := '{}';
  -- The last step before there was a part, and whether the answer had a text by then.
  last_plain integer := 0;
  is_plain boolean := content <> '';
BEGIN
  FOR step IN
    SELECT n, delta, part, is_old,
      CASE WHEN key IS NOT NULL THEN lag(n) OVER (PARTITION BY key ORDER BY n) END AS same_key
    FROM (
      SELECT n::integer, '' AS delta, value AS part, true AS is_old
      FROM jsonb_array_elements(parts) WITH ORDINALITY AS old (value, n)
      UNION ALL
      SELECT (jsonb_array_length(parts) + row_number() OVER (ORDER BY d.seq))::integer,
        d.delta, d.part, false
      FROM chat_message_deltas d WHERE d.tenant_id = of_tenant AND d.message_id = of_message
    ) AS steps,
    LATERAL (SELECT CASE
      WHEN jsonb_typeof(part->'toolCallId') = 'string' THEN jsonb_build_array(part->'toolCallId')
      WHEN jsonb_typeof(part->'id') = 'string' THEN jsonb_build_array(part->'type', part->'id')
    END AS key) AS keys
    ORDER BY n
  LOOP
    texts[step.n] := step.delta;
    part_of[step.n] := 0;
    target := with_key[step.same_key];
    with_key[step.n] := target;
    IF NOT step.is_old AND parts_count = 0 THEN
      IF step.part IS NULL THEN
        last_plain := step.n;
        is_plain := is_plain OR step.delta <> '';
        CONTINUE;
      ELSIF is_plain THEN
        parts_count := 1;
        bases[1] := jsonb_build_object('type', 'text', 'text', content);
        grows[1] := true;
        set_by[1] := 0;
        last_type := '"text"';
      END IF;
    END IF;
    IF step.is_old OR (step.part IS NOT NULL AND step.delta = '') THEN
      IF target IS NULL OR step.is_old THEN
        parts_count := parts_count + 1;
        with_key[step.n] := coalesce(target, parts_count);
        target := parts_count;
      END IF;
      bases[target] := step.part;
      grows[target] := false;
      set_by[target] := step.n;
    ELSIF last_type = coalesce(step.part, '{"type": "text"}')->'type' THEN
      target := parts_count;
      part_of[step.n] := target;
      grows[target] := true;
    ELSE
      parts_count := parts_count + 1;
      with_key[step.n] := coalesce(target, parts_count);
      target := parts_count;
      bases[target] := coalesce(step.part, '{"type": "text"}') - 'text';
      grows[target] := true;
      set_by[target] := 0;
      part_of[step.n] := target;
    END IF;
    IF target = parts_count THEN
      last_type := CASE WHEN jsonb_typeof(bases[target]) = 'object' THEN bases[target]->'type' END;
    END IF;
  END LOOP;
  RETURN (
    SELECT coalesce(jsonb_agg(
      CASE WHEN part.grows THEN part.base || jsonb_build_object('text',
        CASE WHEN jsonb_typeof(part.base->'text') = 'string' THEN part.base->>'text' ELSE '' END
          || coalesce(streamed.text, ''))
      ELSE part.base END ORDER BY part.n), '[]')
    FROM unnest(bases, grows) WITH ORDINALITY AS part (base, grows, n)
    LEFT JOIN (
      SELECT texts_of.part_n, string_agg(texts_of.text, '' ORDER BY texts_of.n) AS text
      FROM (
        SELECT n, text, CASE WHEN n <= last_plain THEN 1 ELSE part_n END AS part_n
        FROM unnest(texts, part_of) WITH ORDINALITY AS streamed (text, part_n, n)
      ) AS texts_of
      JOIN unnest(set_by) WITH ORDINALITY AS sets (set_by, part_n)
        ON sets.part_n = texts_of.part_n AND texts_of.n > sets.set_by
      GROUP BY texts_of.part_n
    ) AS streamed ON streamed.part_n = part.n
  );
END $$;

CREATE FUNCTION session_db_fold_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  next_seq integer := session_db_stream_from(OLD.metadata);
  added record;
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
    -- Values that the statement itself sets win.
    IF NEW.parts = OLD.parts AND (added.has_parts OR OLD.parts <> '[]') THEN
      NEW.parts := session_db_folded_parts(OLD.tenant_id, OLD.id, OLD.content, OLD.parts);
    END IF;
    IF NEW.content = OLD.content THEN
      NEW.content := OLD.content || added.text;
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
