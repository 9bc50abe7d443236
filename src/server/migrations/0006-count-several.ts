import type { Migration } from './migration.ts'

/**
 * A statement that counts several messages in their thread at once raises the thread's version by as
 * many, as if each had come alone. It has said so with `session_db.counted`: then a version that is
 * higher than before is left as it is.
 */
export const countSeveral: Migration = {
  name: '0006-count-several',
  sql: `
CREATE OR REPLACE TRIGGER chat_threads_touch BEFORE UPDATE ON chat_threads
  FOR EACH ROW
  WHEN (NEW.version <= OLD.version OR (
    current_setting('session_db.counted', true) IS DISTINCT FROM 'on'
    AND (NEW.version IS DISTINCT FROM OLD.version + 1 OR NEW.updated_at = OLD.updated_at)))
  EXECUTE FUNCTION session_db_touch();
`,
}
