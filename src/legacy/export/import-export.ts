import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ClientBase, Pool } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { SessionDbError } from '../../errors.ts'
import { idField } from '../../schema/fields.ts'
import { problemIn, validate } from '../../schema/validate.ts'
import { bulkLoad } from '../../server/bulk-load.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import type { GivenContents } from '../content-files.ts'
import { importContents } from './contents.ts'
import { type ExportedTable, exportedTables } from './exported-tables.ts'
import { type ExportManifest, readManifest, verifyFiles } from './manifest.ts'
import { recountSql, restoreSql } from './restore-sql.ts'
import { LINE_FORMAT, tableColumns } from './table-columns.ts'

const MAX_LISTED = 10_000
const NO_ROWS = {
  ...{ inFile: 0, inserted: 0, alreadyThere: 0, newer: 0, differing: 0 },
  differingIds: [],
}

export interface ImportExportOptions {
  /** A connection string, or a pool, which stays open. The schema must be migrated. */
  readonly database: string | Pool
  /** What `exportData` wrote. */
  readonly directory: string
  /** The tenant to import into, which may have another name than the one exported. */
  readonly tenantId: string
  /** Stores other than Postgres that the export's contents go back to. */
  readonly contents?: GivenContents
  /** Does everything and takes it back. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: { readonly table: string; readonly rows: number }) => void
}

/** What became of one table's rows. */
export interface RestoredTable {
  readonly table: string
  readonly inFile: number
  readonly inserted: number
  /** There already, just so. */
  readonly alreadyThere: number
  /** There already, and newer: left alone. */
  readonly newer: number
  /** There already, or in part, with something else in them: left alone. */
  readonly differing: number
  /** Ids of those that differ, the first 10,000. */
  readonly differingIds: readonly string[]
}

/** The outcome of importing an export. */
export interface RestoreReport {
  /** Whether every row of the export is there, as it was exported or newer. */
  readonly ok: boolean
  readonly dryRun: boolean
  readonly changed: boolean
  readonly tables: readonly RestoredTable[]
}

/**
 * Brings an export into a database, in one transaction. Rows are inserted as they were, versions and
 * times included; rows that are there already are left alone, so a second run changes nothing and
 * newer edits stay. New messages of a thread that has moved on come after those it has; a thread does
 * not become active where another one is.
 *
 * @throws SessionDbError `invalid` when the directory holds no export, or one that was changed;
 * `unavailable` when the database cannot be reached or is not migrated. Nothing is written then.
 * @example
 * await importExport({ database, tenantId: 'acme', directory: 'acme-export' })
 */
export async function importExport(options: ImportExportOptions): Promise<RestoreReport> {
  const { database, directory, tenantId, dryRun = false } = options
  const { error } = validate(idField, tenantId)
  if (error !== undefined) throw new SessionDbError('invalid', problemIn(error, 'tenantId'))
  const manifest = await readManifest(directory)
  if (manifest === undefined) {
    throw new SessionDbError('invalid', `${directory} holds no export: it has no manifest.json.`)
  }
  await verifyFiles(directory, manifest)
  const work = (client: ClientBase) => restore(client, manifest, options)
  return inCopyTransaction(database, work, { commit: !dryRun })
}

async function restore(
  client: ClientBase,
  manifest: ExportManifest,
  options: ImportExportOptions,
): Promise<RestoreReport> {
  const { directory, tenantId, dryRun = false, onProgress } = options
  await bulkLoad(client)
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `session-db import ${tenantId}`,
  ])
  const contents = await importContents(client, manifest.contents, options)
  const tables: RestoredTable[] = []
  for (const exported of exportedTables) {
    if (!manifest.files.some(({ name }) => name === exported.file)) continue
    await client.query(
      `CREATE TEMP TABLE restored_${exported.table} (n bigserial, row jsonb) ON COMMIT DROP`,
    )
    const copy = copyFrom(`COPY restored_${exported.table} (row) FROM STDIN ${LINE_FORMAT}`)
    await pipeline(createReadStream(join(directory, exported.file)), client.query(copy))
    const restored = await restoreTable(client, exported, client.escapeLiteral(tenantId))
    onProgress?.({ table: restored.table, rows: restored.inFile })
    tables.push(restored)
  }
  await client.query(recountSql(client.escapeLiteral(tenantId)))
  return {
    ok: tables.every(({ differing }) => differing === 0),
    dryRun,
    changed: contents > 0 || tables.some(({ inserted }) => inserted > 0),
    tables,
  }
}

async function restoreTable(
  client: ClientBase,
  exported: ExportedTable,
  tenant: string,
): Promise<RestoredTable> {
  const { table, file } = exported
  const columns = await tableColumns(client, table)
  const { rows: keys } = await client.query<{ key: string }>(
    `SELECT DISTINCT jsonb_object_keys(row) AS key FROM restored_${table}`,
  )
  const present = keys.map(({ key }) => key)
  if (present.length === 0) return { table, ...NO_ROWS }
  const unknown = present.filter((key) => !columns.stored.includes(key))
  if (unknown.length > 0) {
    throw new SessionDbError(
      'invalid',
      `${file} has columns this database does not know: ${unknown.join(', ')}. ` +
        'It was made by a newer version. Update this library and migrate. Nothing was imported.',
    )
  }
  await client.query(`ANALYZE restored_${table}`)
  const { rows } = await client.query<Omit<RestoredTable, 'table'>>(
    restoreSql(
      exported,
      tenant,
      { ...columns, stored: columns.stored.filter((name) => present.includes(name)) },
      MAX_LISTED,
    ),
  )
  const [counts] = rows
  if (counts === undefined) throw new Error(`no counts for ${table}`)
  return { table, ...counts }
}
