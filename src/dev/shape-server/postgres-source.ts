import type { Pool } from 'pg'
import type { ShapeStore } from '../protocol/shape-store.ts'
import { ShapeFailure, type ShapeSource } from '../protocol/source.ts'
import { createCatalog, currentOids, type TableInfo } from './catalog.ts'
import { inSnapshot, sqlState } from './connection.ts'
import { createDispatcher } from './dispatcher.ts'
import { createPublication, lockTimeout, type Publication } from './publication.ts'
import { allPlans } from './query-plan.ts'
import { parseLsn } from './replication-stream.ts'
import { defineShape, type PostgresShape } from './shape-definition.ts'
import { createShapeFeed, type FeedContext, type ShapeFeed } from './shape-feed.ts'
import { defineSubset, type PostgresSubset, readSubset } from './subset-query.ts'
import type { Transaction } from './transaction.ts'

/** An event worth a line in a log. */
export interface ShapeServerEvent {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly error?: unknown
}

/** A source of shapes over a Postgres database. */
export interface PostgresSource extends ShapeSource<PostgresShape, PostgresSubset> {
  readonly publication: Publication
  onTransaction(transaction: Transaction): Promise<void>
  /** Sets whether the stream runs. While it does not, no shape is served, and all expire. */
  setStreaming(streaming: boolean): void
  /** Looks for tables that were dropped, or dropped and created again: the stream doesn't report those. */
  reconcile(): Promise<void>
}

/** The engine notices a dropped table when it reconciles, after up to a minute. Until then shapes live on. */
const DROPPED_AFTER_MS = 30_000
const REPLACED_AFTER_MS = 10_000

/**
 * Creates the source. The caller starts the stream that feeds it.
 *
 * @param options.pool for snapshots and queries
 * @param options.commitPool one connection that checks which commits are visible
 * @param options.store returns the store of the logs; a function, because each needs the other
 */
export async function createPostgresSource(options: {
  pool: Pool
  commitPool: Pool
  store: () => ShapeStore<PostgresShape>
  log: (event: ShapeServerEvent) => void
  replicatesGenerated?: boolean | undefined
}): Promise<PostgresSource> {
  const { pool, commitPool, store, log } = options
  const catalog = createCatalog(pool, options.replicatesGenerated)
  const publication = await createPublication(pool)
  const feedsByHandle = new Map<string, ShapeFeed>()
  const missingSince = new Map<number, number>()
  let streaming = false

  const { rows } = await pool.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
  const dispatcher = createDispatcher({
    pool,
    commitPool,
    catalog,
    startLsn: parseLsn(rows[0]?.lsn ?? null),
    onInvalid: (feed, reason) => {
      log({ level: 'info', message: `shape ${feed.log.handle} ends: ${reason}` })
      store().remove(feed.log.handle)
    },
  })

  const context: FeedContext = {
    pool,
    async snapshot(shape, work) {
      const tables = tablesOf(shape)
      for (const table of tables) await publication.addTable(table)
      await inSnapshot(pool, async (client, bounds) => {
        const oids = await currentOids(
          client,
          tables.map((table) => table.relation),
        )
        const replaced = tables.filter((table, i) => oids[i] !== table.oid)
        if (replaced.length > 0) {
          for (const table of replaced) dropTable(table)
          throw new ShapeFailure(409, 'the table has been replaced')
        }
        await work(client, bounds)
      })
    },
    onSnapshotFailure(feed, error) {
      const failure = snapshotFailure(error)
      if (failure.status === 409) {
        for (const table of tablesOf(feed.shape)) catalog.forget(table.relation)
      }
      const message = `no snapshot for shape ${feed.log.handle}: ${failure.message}`
      log({ level: 'warn', message, error })
      feed.log.fail(failure)
      store().remove(feed.log.handle)
    },
    onFailure(feed, error) {
      const message = `shape ${feed.log.handle} ends: a transaction could not be applied`
      log({ level: 'warn', message, error })
      store().remove(feed.log.handle)
    },
  }

  function dropTable(table: TableInfo): void {
    missingSince.delete(table.oid)
    catalog.forget(table.relation)
    publication.forget(table.oid)
    for (const feed of dispatcher.feeds()) {
      if (tablesOf(feed.shape).some(({ oid }) => oid === table.oid)) {
        store().remove(feed.log.handle)
      }
    }
  }

  function isMissingFor(limitMs: number, oid: number): boolean {
    const since = missingSince.get(oid) ?? Date.now()
    missingSince.set(oid, since)
    return Date.now() - since >= limitMs
  }

  return {
    publication,
    define: (params) => defineShape(catalog, params),
    defineSubset: (definition, params, request) =>
      defineSubset(catalog, definition, params, request),
    open(definition, shapeLog) {
      const feed = createShapeFeed(definition, shapeLog, context)
      feedsByHandle.set(shapeLog.handle, feed)
      // Before its snapshot is taken, so that no transaction is missed between the two.
      dispatcher.add(feed)
      feed.start()
    },
    close(shapeLog) {
      const feed = feedsByHandle.get(shapeLog.handle)
      if (!feed) return
      feedsByHandle.delete(shapeLog.handle)
      dispatcher.remove(feed)
      feed.stop()
    },
    readSubset(definition, subset, shapeLog) {
      const feed = feedsByHandle.get(shapeLog.handle)
      return readSubset(pool, definition, subset, (row) => feed?.tagsOf(row))
    },
    lastSeenLsn(shapeLog) {
      const pending = feedsByHandle.get(shapeLog.handle)?.pendingLsn
      return pending === undefined ? dispatcher.lastLsn() : pending - 1n
    },
    status: () => (streaming ? 'active' : 'starting'),
    onTransaction: (transaction) => dispatcher.dispatch(transaction),
    setStreaming(isStreaming) {
      streaming = isStreaming
      if (streaming) return
      catalog.clear()
      for (const shape of store().all()) store().remove(shape.log.handle)
    },
    async reconcile() {
      const byOid = new Map<number, TableInfo>()
      for (const feed of dispatcher.feeds()) {
        for (const table of tablesOf(feed.shape)) byOid.set(table.oid, table)
      }
      const tables = [...byOid.values()]
      const oids = await currentOids(
        pool,
        tables.map((table) => table.relation),
      )
      for (const [i, table] of tables.entries()) {
        const limitMs = oids[i] === undefined ? DROPPED_AFTER_MS : REPLACED_AFTER_MS
        if (oids[i] === table.oid) missingSince.delete(table.oid)
        else if (isMissingFor(limitMs, table.oid)) dropTable(table)
      }
    },
  }
}

function tablesOf(shape: PostgresShape): TableInfo[] {
  return allPlans(shape.plan).map((plan) => plan.table)
}

/** SQLSTATEs of a missing table, column or schema. */
const MISSING = ['42P01', '42703', '3F000']
const LOCK_NOT_AVAILABLE = '55P03'

function snapshotFailure(error: unknown): ShapeFailure {
  if (error instanceof ShapeFailure) return error
  const state = sqlState(error) ?? ''
  if (MISSING.includes(state)) {
    return new ShapeFailure(409, 'the table is gone or has other columns')
  }
  if (state === LOCK_NOT_AVAILABLE) return lockTimeout()
  const message = error instanceof Error ? error.message : String(error)
  return new ShapeFailure(500, `Unexpected error while creating snapshot: ${message}`)
}
