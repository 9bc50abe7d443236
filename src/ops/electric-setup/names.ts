import type { Pool } from 'pg'
import { replicatedTables } from '../../schema/index.ts'

/** Tables that Electric replicates to browsers. */
export const REPLICATED_TABLES: readonly string[] = Object.values(replicatedTables).map(
  ({ name }) => name,
)

/** Tables that only the app's server reads and writes. */
export const SERVER_TABLES: readonly string[] = [
  'applied_batches',
  'chat_attachments',
  'chat_attachment_chunks',
  'chat_message_usage',
  'session_audit',
  'session_contents',
  'session_content_chunks',
  'session_content_garbage',
  'session_uploads',
]

/** The list of applied migrations: the app reads it, only `migrate` writes it. */
export const MIGRATIONS_TABLE = 'session_db_migrations'

/** Options of `planElectricSetup` and `applyElectricSetup`. */
export interface ElectricSetupOptions {
  /**
   * A connection string, or a pool, which stays open. Its role must own the tables and be allowed to
   * create roles: use the role that ran the migrations, or a superuser.
   */
  readonly database: string | Pool
  /** Electric's role. Default `electric`. */
  readonly electricRole?: string
  /** The app's role. Default `session_db_app`. */
  readonly appRole?: string
  /** Password for the Electric role if it has to be created. Default: generated. */
  readonly electricPassword?: string
  /** Password for the app's role if it has to be created. Default: generated. */
  readonly appPassword?: string
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`. Default `default`. */
  readonly streamId?: string
  /** The app's own tables that shapes read, as `table` or `schema.table`. */
  readonly extraTables?: readonly string[]
}

/** The names of everything a setup consists of. */
export interface SetupNames {
  readonly electricRole: string
  readonly appRole: string
  readonly publication: string
  readonly slot: string
  /** Tables that Electric replicates. */
  readonly replicated: readonly string[]
}

/** Fills in the defaults. */
export function setupNames(
  options: {
    readonly [K in Exclude<keyof ElectricSetupOptions, 'database'>]?:
      | ElectricSetupOptions[K]
      | undefined
  },
): SetupNames {
  return {
    electricRole: options.electricRole ?? 'electric',
    appRole: options.appRole ?? 'session_db_app',
    ...electricNames(options.streamId),
    replicated: [...REPLICATED_TABLES, ...(options.extraTables ?? [])],
  }
}

/**
 * Returns the names of Electric's publication and replication slot.
 *
 * @param streamId Electric's `ELECTRIC_REPLICATION_STREAM_ID`. Default `default`.
 * @example
 * electricNames().slot // 'electric_slot_default'
 */
export function electricNames(streamId = 'default'): Pick<SetupNames, 'publication' | 'slot'> {
  return { publication: `electric_publication_${streamId}`, slot: `electric_slot_${streamId}` }
}
