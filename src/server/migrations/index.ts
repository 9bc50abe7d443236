import { initial } from './0001-initial.ts'
import { countInStatement } from './0002-count-in-statement.ts'
import { messageDeltas } from './0003-message-deltas.ts'
import { sessionContents } from './0004-session-contents.ts'
import { bulkLoadMigration } from './0005-bulk-load.ts'
import { countSeveral } from './0006-count-several.ts'
import { plainTouch } from './0007-plain-touch.ts'
import { lightTriggers } from './0008-light-triggers.ts'
import type { Migration } from './migration.ts'

export type { Migration } from './migration.ts'

/** Every migration, in the order they are applied. */
export const migrations: readonly Migration[] = [
  initial,
  countInStatement,
  messageDeltas,
  sessionContents,
  bulkLoadMigration,
  countSeveral,
  plainTouch,
  lightTriggers,
]
