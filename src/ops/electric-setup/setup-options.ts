import type { Pool } from 'pg'
import { replicatedTables } from '../own-tables.ts'
import { electricNames } from './electric-names.ts'

/** Who and what Electric needs in a database. */
export interface ElectricSetupOptions {
  /**
   * A connection string, or a pool that stays open, of somebody who may create roles and owns the
   * tables: the role that ran the migrations, or a superuser.
   */
  readonly database: string | Pool
  /** Electric's role; `electric` unless given. */
  readonly electricRole?: string
  /** The app's role; `session_db_app` unless given. */
  readonly appRole?: string
  /** Password of the Electric role when it has to be made; a generated one unless given. */
  readonly electricPassword?: string
  /** Password of the app's role when it has to be made; a generated one unless given. */
  readonly appPassword?: string
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`; `default` unless given. */
  readonly streamId?: string
  /** Tables of the app's own that shapes read, as `table` or `schema.table`. */
  readonly extraTables?: readonly string[]
}

/** The names that a set-up is about, each decided. */
export interface SetupNames {
  readonly electricRole: string
  readonly appRole: string
  readonly publication: string
  readonly slot: string
  /** Tables that Electric replicates. */
  readonly replicated: readonly string[]
}

export function setupNames(options: Omit<ElectricSetupOptions, 'database'>): SetupNames {
  return {
    electricRole: options.electricRole ?? 'electric',
    appRole: options.appRole ?? 'session_db_app',
    ...electricNames(options.streamId),
    replicated: [...replicatedTables, ...(options.extraTables ?? [])],
  }
}
