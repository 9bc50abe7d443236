import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase, Pool } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { SessionDbError } from '../../errors.ts'
import { inCopyTransaction, withClient } from '../../server/connections.ts'
import type { GivenContents } from '../content-files.ts'
import { checkIds } from '../import/import-options.ts'
import { exportContents } from './contents.ts'
import { type ExportedTable, exportedTables, LINE_FORMAT, tableColumns } from './exported-tables.ts'
import { type ExportManifest, MANIFEST_FILE } from './manifest.ts'

export interface ExportOptions {
  /** A connection string, or a pool, which stays open. */
  readonly database: string | Pool
  readonly tenantId: string
  /** Exports only this user's data; the whole tenant by default. */
  readonly userId?: string
  /** A directory that does not exist or is empty. */
  readonly directory: string
  /** Content stores other than Postgres that sessions refer to. */
  readonly contents?: GivenContents
  readonly onProgress?: (progress: { readonly table: string; readonly rows: number }) => void
}

/**
 * Exports the data of a tenant, or of one user, to a directory: an NDJSON file per table, the contents
 * of sessions, and a manifest with hashes. Everything is read in one database snapshot, and equal rows
 * give equal bytes. Restore it with `restoreExport`.
 *
 * A user's data are the sessions they own, with timeline; the threads they created; the messages they
 * wrote, with what they have read, pinned and rated of these; the usage of their model calls. Sessions and threads of others that these belong to are included without titles or metadata,
 * and with the counts of the user's messages only.
 *
 * @throws SessionDbError `invalid` when the directory is not empty, or for an invalid id; `not_found`
 *   when the tenant or the user has no data;
 *   `unavailable` when a content is in a store that was not given.
 * @example
 * await exportData({ database, tenantId: 'acme', directory: 'acme-export' })
 */
export async function exportData(options: ExportOptions): Promise<ExportManifest> {
  const { tenantId, userId } = options
  checkIds({ tenantId, userId })
  const directory = resolve(options.directory)
  await refuseOccupied(directory)
  const unfinished = `${directory}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  try {
    const manifest = await inCopyTransaction(options.database, (client) =>
      exportInto(client, unfinished, options),
    )
    await rm(directory, { recursive: true, force: true })
    await mkdir(dirname(directory), { recursive: true })
    await rename(unfinished, directory)
    await recordExport(options)
    return manifest
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

/** Adds the export to the audit log, after it, because its own transaction only reads. */
async function recordExport({ database, tenantId, userId }: ExportOptions): Promise<void> {
  await withClient(database, (client) =>
    client.query(
      `INSERT INTO session_audit (tenant_id, action, details)
       VALUES ($1, 'export', jsonb_strip_nulls(jsonb_build_object('user', $2::text)))`,
      [tenantId, userId ?? null],
    ),
  )
}

async function refuseOccupied(directory: string): Promise<void> {
  const entries = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (entries.length === 0) return
  throw new SessionDbError('invalid', `${directory} is not empty. Choose a new directory.`)
}

async function exportInto(
  client: ClientBase,
  directory: string,
  { tenantId, userId, contents, onProgress }: ExportOptions,
): Promise<ExportManifest> {
  await client.query(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'`)
  const files: ExportManifest['files'][number][] = []
  for (const exported of exportedTables) {
    const select = await rowsSql(client, exported, tenantId, userId)
    const written = await writeLines(client, select, join(directory, exported.file))
    files.push({ name: exported.file, ...written })
    onProgress?.({ table: exported.table, rows: written.rows })
  }
  if (files.every(({ rows }) => rows === 0)) {
    const who = userId === undefined ? '' : `the user "${userId}" of `
    throw new SessionDbError(
      'not_found',
      `There is no data of ${who}the tenant "${tenantId}" in this database. Check the id and DATABASE_URL.`,
    )
  }
  const manifest: ExportManifest = {
    format: 'session-db-export',
    version: 1,
    tenantId,
    userId: userId ?? null,
    files,
    contents: await exportContents(client, directory, { tenantId, userId, contents }),
  }
  await writeFile(join(directory, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}

/** Rows as JSON without the tenant, so that they can be restored into a tenant of another name. */
async function rowsSql(
  client: ClientBase,
  { table, derived = [], order, tenantRows, userRows }: ExportedTable,
  tenantId: string,
  userId: string | undefined,
): Promise<string> {
  const tenant = client.escapeLiteral(tenantId)
  const columns = await tableColumns(client, table)
  const left = `'{${['tenant_id', 'shown', ...derived, ...columns.generated].join(',')}}'::text[]`
  const rows =
    userId === undefined
      ? (tenantRows?.(tenant) ??
        `SELECT r.*, '{}'::jsonb AS shown FROM ${table} r WHERE r.tenant_id = ${tenant}`)
      : userRows(tenant, client.escapeLiteral(userId))
  const sorted = order.map(
    (column) => `r.${column}${columns.text.has(column) ? ' COLLATE "C"' : ''}`,
  )
  return `SELECT (to_jsonb(r) - ${left} || r.shown)::text FROM (${rows}) r ORDER BY ${sorted.join(', ')}`
}

async function writeLines(
  client: ClientBase,
  select: string,
  path: string,
): Promise<{ rows: number; bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let rows = 0
  let bytes = 0
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) rows += 1
      done(null, chunk)
    },
  })
  const lines = client.query(copyTo(`COPY (${select}) TO STDOUT ${LINE_FORMAT}`))
  await pipeline(lines, measure, createWriteStream(path, { flush: true }))
  return { rows, bytes, sha256: hash.digest('hex') }
}
