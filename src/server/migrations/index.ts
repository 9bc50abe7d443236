import { access } from './0001-access.ts'
import { audit } from './0001-audit.ts'
import { streaming } from './0001-streaming.ts'
import { tables } from './0001-tables.ts'
import { triggers } from './0001-triggers.ts'

/** One step of the database schema. Its SQL runs once, in one transaction. */
export interface Migration {
  /** Unique, and sorted after every earlier one: `0002-session-tags`. */
  readonly name: string
  /** One or more statements that Postgres allows in a transaction. */
  readonly sql: string
}

/** All migrations in the order they are applied. Add new ones; released ones never change. */
export const migrations: readonly Migration[] = [
  { name: '0001-initial', sql: [tables, triggers, access, streaming, audit].join('\n') },
]
