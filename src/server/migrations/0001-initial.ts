import { messageCounters } from './0001-message-counters.ts'
import { initialTables } from './0001-tables.ts'
import { threadAndVersionTriggers } from './0001-triggers.ts'
import type { Migration } from './migration.ts'

/** The first version of the schema. Never edit what it consists of: add a migration instead. */
export const initial: Migration = {
  name: '0001-initial',
  sql: [initialTables, threadAndVersionTriggers, messageCounters].join('\n'),
}
