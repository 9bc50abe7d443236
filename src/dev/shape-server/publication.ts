import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { ShapeFailure } from '../protocol/source.ts'
import type { TableInfo } from './catalog.ts'
import { sqlState, withConnection } from './connection.ts'
import { quoteIdentifier } from './identifiers.ts'

const PREFIX = 'session_db_shapes_'
const LOCK_TIMEOUT_MS = 5000

/** The publication that this server reads. Every server has its own. */
export interface Publication {
  readonly name: string
  /**
   * Publishes a table: every later change arrives in the stream, with the whole row before and after.
   *
   * @throws ShapeFailure 503 when a running transaction holds the table for longer than 5 s.
   */
  addTable(table: TableInfo): Promise<void>
  /** Forgets a table that was dropped. */
  forget(oid: number): void
  drop(): Promise<void>
}

/** Creates an empty publication, and drops those that crashed servers have left behind. */
export async function createPublication(pool: Pool): Promise<Publication> {
  const name = `${PREFIX}${Date.now()}_${randomBytes(4).toString('hex')}`
  await dropAbandoned(pool)
  await pool.query(`CREATE PUBLICATION ${name}${await generatedColumnsOption(pool)}`)
  const added = new Map<number, Promise<void>>()
  return {
    name,
    addTable(table) {
      const known = added.get(table.oid)
      if (known) return known
      const adding = addTable(pool, name, table)
      added.set(table.oid, adding)
      adding.catch(() => added.delete(table.oid))
      return adding
    },
    forget(oid) {
      added.delete(oid)
    },
    async drop() {
      await pool.query(`DROP PUBLICATION IF EXISTS ${name}`)
    },
  }
}

/** A running server's publication has a slot of the same name, unless the server is only just starting. */
async function dropAbandoned(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ pubname: string }>(
    `SELECT pubname FROM pg_publication p
     WHERE starts_with(pubname, $1)
       AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = p.pubname)`,
    [PREFIX],
  )
  for (const { pubname } of rows) {
    const born = Number(pubname.slice(PREFIX.length).split('_')[0])
    if (Date.now() - born < 60_000) continue
    await pool.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(pubname)}`)
  }
}

/** Since Postgres 18 a table with REPLICA IDENTITY FULL cannot be updated if it has unpublished columns. */
async function generatedColumnsOption(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  )
  return Number(rows[0]?.version) >= 180_000 ? ' WITH (publish_generated_columns = stored)' : ''
}

/** Virtual columns cannot be published, and REPLICA IDENTITY FULL would make every update fail. */
async function refuseVirtualColumns(
  client: { query: Pool['query'] },
  table: TableInfo,
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT attname AS name FROM pg_attribute WHERE attrelid = $1 AND attgenerated = 'v'",
    [table.oid],
  )
  const [column] = rows
  if (!column) return
  throw new Error(
    `Column "${column.name}" of ${table.sqlName} is a virtual generated column, which logical replication does not support. Make it STORED.`,
  )
}

async function addTable(pool: Pool, publication: string, table: TableInfo): Promise<void> {
  await withConnection(pool, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relreplident <> 'f' AND (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_partition_tree($1)))`,
      [table.oid],
    )
    await refuseVirtualColumns(client, table)
    await client.query('BEGIN')
    try {
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
      await client.query(`ALTER PUBLICATION ${publication} ADD TABLE ${table.sqlName}`)
      for (const { name } of rows) await client.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`)
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK')
      if (sqlState(error) === '55P03') throw lockTimeout()
      throw error
    }
    if (rows.length === 0) await waitForWriters(client, table.oid)
  })
}

/**
 * Waits for transactions that wrote to the table before it was published, because only their later changes
 * are streamed. `ALTER TABLE` waits by itself; this is for tables that need none.
 */
async function waitForWriters(client: { query: Pool['query'] }, oid: number): Promise<void> {
  const writers = async () => {
    const { rows } = await client.query<{ vxid: string }>(
      `SELECT DISTINCT virtualtransaction AS vxid FROM pg_locks
       WHERE relation IN (SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1))
         AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
         AND granted AND pid <> pg_backend_pid()`,
      [oid],
    )
    return rows.map((row) => row.vxid)
  }
  const deadline = Date.now() + LOCK_TIMEOUT_MS
  let waitingFor = await writers()
  while (waitingFor.length > 0) {
    if (Date.now() > deadline) throw lockTimeout()
    await new Promise((resolve) => setTimeout(resolve, 10))
    const running = new Set(await writers())
    waitingFor = waitingFor.filter((vxid) => running.has(vxid))
  }
}

/** The failure of a shape whose table stays locked. */
export function lockTimeout(): ShapeFailure {
  return new ShapeFailure(503, 'Snapshot timed out while waiting for a table lock', 10)
}
