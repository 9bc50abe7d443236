import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ClientBase, Pool } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { SessionDbError } from '../../errors.ts'
import { bulkLoad } from '../../server/bulk-load.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import type { GivenContents } from '../content-files.ts'
import { checkIds, type ImportProgress } from '../import/import-options.ts'
import { importContents } from './contents.ts'
import {
  type ExportedTable,
  exportedTables,
  LINE_FORMAT,
  type TableColumns,
  tableColumns,
} from './exported-tables.ts'
import { type ExportManifest, readManifest, verifyFiles } from './manifest.ts'

const MAX_LISTED = 10_000
const NO_ROWS = {
  ...{ inFile: 0, inserted: 0, alreadyThere: 0, newer: 0, differing: 0 },
  differingIds: [],
}

export interface RestoreOptions {
  /** A connection string, or a pool, which stays open. The schema must be migrated. */
  readonly database: string | Pool
  /** The directory that `exportData` wrote. */
  readonly directory: string
  /** The tenant to restore into; its id may differ from the exported one. */
  readonly tenantId: string
  /** Stores other than Postgres that the export's contents go back to. */
  readonly contents?: GivenContents
  /** Restores everything and rolls back. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: ImportProgress) => void
}

/** Counts of one table's rows. */
export interface RestoredTable {
  readonly table: string
  readonly inFile: number
  readonly inserted: number
  /** Rows that exist and are equal. */
  readonly alreadyThere: number
  /** Rows that exist with a higher version; left alone. */
  readonly newer: number
  /** Rows that exist and differ, or conflict with others; left alone. */
  readonly differing: number
  /** The first 10,000 ids of rows that differ. */
  readonly differingIds: readonly string[]
}

/** The outcome of a restore. */
export interface RestoreReport {
  /** True if every row of the export is in the database, as exported or newer. */
  readonly ok: boolean
  readonly dryRun: boolean
  readonly changed: boolean
  readonly tables: readonly RestoredTable[]
}

/**
 * Restores an export in one transaction. Rows are inserted unchanged, versions and times included.
 * Existing rows are left alone, so a second run changes nothing and newer edits stay. Messages whose
 * position is taken go to the end of their thread; a thread becomes archived where another is active.
 *
 * @throws SessionDbError `invalid` when the directory is not an export or was changed; `unavailable`
 *   when the database cannot be reached or is not migrated. Nothing is written then.
 * @example
 * await restoreExport({ database, tenantId: 'acme', directory: 'acme-export' })
 */
export async function restoreExport(options: RestoreOptions): Promise<RestoreReport> {
  const { database, directory, tenantId, dryRun = false } = options
  checkIds({ tenantId })
  const manifest = await readManifest(directory)
  if (manifest === undefined) {
    throw new SessionDbError('invalid', `${directory} is not an export: it has no manifest.json.`)
  }
  await verifyFiles(directory, manifest)
  const work = (client: ClientBase) => restore(client, manifest, options)
  return inCopyTransaction(database, work, { commit: !dryRun })
}

async function restore(
  client: ClientBase,
  manifest: ExportManifest,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const { directory, tenantId, dryRun = false, onProgress } = options
  await bulkLoad(client)
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `session-db import ${tenantId}`,
  ])
  const contents = await importContents(client, manifest.contents, options)
  const tables: RestoredTable[] = []
  const total = manifest.files.reduce((rows, file) => rows + file.rows, 0)
  let done = 0
  for (const exported of exportedTables) {
    if (!manifest.files.some(({ name }) => name === exported.file)) continue
    await client.query(
      `CREATE TEMP TABLE restored_${exported.table} (n bigserial, row jsonb) ON COMMIT DROP`,
    )
    const copy = copyFrom(`COPY restored_${exported.table} (row) FROM STDIN ${LINE_FORMAT}`)
    await pipeline(createReadStream(join(directory, exported.file)), client.query(copy))
    const restored = await restoreTable(client, exported, client.escapeLiteral(tenantId))
    done += restored.inFile
    onProgress?.({ stage: 'writing', file: exported.file, done, total })
    tables.push(restored)
  }
  await client.query(attachSql(client.escapeLiteral(tenantId)))
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
      `${file} has columns that this database lacks: ${unknown.join(', ')}. It was exported by a ` +
        'newer version: update this library and migrate. Nothing was imported.',
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

/** How rows of a table are adapted to a database that has changed since the export. */
interface RestoreRule {
  /** SQL for columns that may differ from the exported row `r`. */
  readonly values: Readonly<Record<string, string>>
  readonly joins: (tenant: string) => string
  readonly where: string
}

const UNCHANGED: RestoreRule = { values: {}, joins: () => '', where: '' }

const RULES: Readonly<Record<string, RestoreRule>> = {
  // A thread that is active in the database stays active.
  chat_threads: {
    values: {
      status: `CASE WHEN r.status = 'active' AND busy.id IS NOT NULL THEN 'archived' ELSE r.status END`,
    },
    joins: (tenant) => `
      LEFT JOIN chat_threads busy ON busy.tenant_id = ${tenant} AND busy.session_id = r.session_id
        AND busy.mode = r.mode AND busy.status = 'active'`,
    where: '',
  },
  // A message whose position is taken goes to the end. One whose client id exists is the same message.
  chat_messages: {
    values: {
      position: `CASE WHEN taken.id IS NULL THEN r.position ELSE
        greatest(thread.last_position, max(r.position) OVER (PARTITION BY r.thread_id)) +
        row_number() OVER (PARTITION BY r.thread_id, taken.id IS NULL ORDER BY r.position) END`,
    },
    joins: (tenant) => `
      LEFT JOIN chat_threads thread ON thread.tenant_id = ${tenant} AND thread.id = r.thread_id
      LEFT JOIN chat_messages taken ON taken.tenant_id = ${tenant}
        AND taken.thread_id = r.thread_id AND taken.position = r.position
      LEFT JOIN chat_messages sent ON sent.tenant_id = ${tenant}
        AND sent.thread_id = r.thread_id AND sent.client_message_id = r.client_message_id`,
    where: 'WHERE sent.id IS NULL',
  },
}

/** One statement that inserts a table's missing rows and returns the counts of `RestoredTable`. */
function restoreSql(
  { table, key, derived = [] }: ExportedTable,
  tenant: string,
  { stored, generated }: TableColumns,
  maxListed: number,
): string {
  const rule = RULES[table] ?? UNCHANGED
  const isThere = key.map((column) => `there.${column} = r.${column}`).join(' AND ')
  const keys = key.join(', ')
  const known = (condition: string) =>
    `EXISTS (SELECT FROM known k WHERE k.n = s.n AND (${condition}))`
  return `
  WITH staged AS MATERIALIZED (
    SELECT s.n, s.row, r.* FROM restored_${table} s, jsonb_populate_record(NULL::${table}, s.row) r
  ), known AS MATERIALIZED (
    SELECT r.n,
      to_jsonb(there) - '{${['tenant_id', ...derived, ...generated].join(',')}}'::text[] = r.row AS same,
      ${stored.includes('version') ? 'there.version > r.version' : 'false'} AS newer
    FROM staged r JOIN ${table} there ON there.tenant_id = ${tenant} AND ${isThere}
  ), added AS (
    INSERT INTO ${table} (tenant_id, ${stored.join(', ')})
    SELECT ${tenant}, ${stored.map((column) => rule.values[column] ?? `r.${column}`).join(', ')}
    FROM (SELECT * FROM staged s WHERE NOT ${known('true')}) r ${rule.joins(tenant)} ${rule.where}
    RETURNING ${keys}
  ), missing AS (
    SELECT s.n, ${key.map((column) => `s.${column}`).join(', ')} FROM staged s
    WHERE NOT ${known('k.same OR k.newer')}
      AND (${key.map((column) => `s.${column}`).join(', ')}) NOT IN (SELECT ${keys} FROM added)
  )
  SELECT (SELECT count(*)::int FROM staged) AS "inFile",
    (SELECT count(*)::int FROM added) AS inserted,
    (SELECT count(*)::int FROM known WHERE same) AS "alreadyThere",
    (SELECT count(*)::int FROM known WHERE NOT same AND newer) AS newer,
    (SELECT count(*)::int FROM missing) AS differing,
    ARRAY(SELECT concat_ws(' ', ${keys}) FROM missing ORDER BY n LIMIT ${maxListed})
      AS "differingIds"`
}

/** Attaches messages whose parent was not restored to the message before them. */
function attachSql(tenant: string): string {
  return `
  UPDATE chat_messages m SET parent_id = (
    SELECT p.id FROM chat_messages p
    WHERE p.tenant_id = m.tenant_id AND p.thread_id = m.thread_id AND p.position < m.position
    ORDER BY p.position DESC LIMIT 1)
  WHERE m.tenant_id = ${tenant} AND m.parent_id IS NOT NULL
    AND m.id IN (SELECT row ->> 'id' FROM restored_chat_messages)
    AND NOT EXISTS (SELECT FROM chat_messages p WHERE p.tenant_id = m.tenant_id
      AND p.id = m.parent_id AND p.thread_id = m.thread_id)`
}

/** Recounts threads that existed and got more messages. */
function recountSql(tenant: string): string {
  return `
  UPDATE chat_threads t SET message_count = c.count,
    last_position = greatest(t.last_position, c.last_position),
    last_message_at = shown.created_at, last_message_preview = left(shown.content, 280),
    head_id = coalesce(t.head_id, newest.id)
  FROM (
    SELECT thread_id, count(*)::int AS count, max(position) AS last_position
    FROM chat_messages
    WHERE tenant_id = ${tenant} AND thread_id IN (
      SELECT row ->> 'thread_id' FROM restored_chat_messages)
    GROUP BY thread_id
  ) c
  JOIN chat_messages newest ON newest.tenant_id = ${tenant} AND newest.thread_id = c.thread_id
    AND newest.position = c.last_position
  LEFT JOIN LATERAL (
    SELECT m.created_at, m.content FROM chat_messages m
    WHERE m.tenant_id = ${tenant} AND m.thread_id = c.thread_id AND m.role <> 'tool'
    ORDER BY m.position DESC LIMIT 1
  ) shown ON true
  WHERE t.tenant_id = ${tenant} AND t.id = c.thread_id AND t.message_count <> c.count`
}
