import { type RawBuilder, sql } from 'kysely'
import { PREVIEW_LENGTH } from '../../schema/index.ts'

/**
 * What an UPDATE of `chat_threads AS thread` sets for new messages at its end, as many versions on as
 * there are messages.
 *
 * @param count of them, an integer
 * @param content of the last one
 */
export function countMessages(
  count: RawBuilder<unknown>,
  content: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`
    message_count = thread.message_count + ${count},
    last_position = thread.last_position + ${count},
    last_message_at = now(), last_message_preview = left(${content}::text, ${sql.lit(PREVIEW_LENGTH)}),
    version = thread.version + ${count}, updated_at = now()`
}
