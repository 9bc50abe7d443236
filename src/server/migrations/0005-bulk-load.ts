import type { Migration } from './migration.ts'

/**
 * Lets an import write threads with their final counts, and their messages without counting each:
 * `SET LOCAL session_db.counted = 'on'`. Only so can an exported thread come back as it was, version
 * and times included.
 */
export const bulkLoadMigration: Migration = {
  name: '0005-bulk-load',
  sql: `
CREATE OR REPLACE TRIGGER chat_messages_inserted AFTER INSERT ON chat_messages
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT
  WHEN (current_setting('session_db.counted', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION session_db_messages_inserted();
`,
}
