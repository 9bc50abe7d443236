import type { Pool } from 'pg'
import type { ShapeStore } from '../protocol/shape-store.ts'
import { ShapeFailure, type ShapeSource } from '../protocol/source.ts'
import { type Catalog, createCatalog, currentOids, type TableInfo } from './catalog.ts'
import { sqlState } from './connection.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import { createInnerMembers } from './inner-members.ts'
import type { MoveInQuery } from './member-set.ts'
import { createPublication, lockTimeout, type Publication } from './publication.ts'
import { allPlans } from './query-plan.ts'
import { parseLsn } from './replication-stream.ts'
import { defineShape, type PostgresShape } from './shape-definition.ts'
import { createShapeFeed, type FeedContext, type ShapeFeed } from './shape-feed.ts'
import { inSnapshot } from './snapshot-query.ts'
import { defineSubset, type PostgresSubset, readSubset } from './subset-query.ts'
import type { Transaction } from './transaction.ts'
import { createVisibleCommits } from './visible-commits.ts'

/** Something worth a line in a log. */
export interface ShapeServerEvent {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly error?: unknown
}

/** A source of shapes over a Postgres database. */
export interface PostgresSource extends ShapeSource<PostgresShape, PostgresSubset> {
  readonly publication: Publication
  onTransaction(transaction: Transaction): Promise<void>
  /** Says whether the stream runs; while it does not, no shape is served and none survives. */
  setStreaming(streaming: boolean): void
  /** Looks for tables that were dropped, or dropped and created again, which no stream tells. */
  reconcile(): Promise<void>
}

/** How long the shapes of a table that is gone, or is another one now, are served on. */
const droppedAfterMs = 30_000
const replacedAfterMs = 10_000

/**
 * Creates the source; the stream that feeds it is started by the caller.
 *
 * @param options.pool - for snapshots and queries.
 * @param options.commitPool - one connection that tells which commits are visible.
 * @param options.store - where the logs live; returned by a function because each needs the other.
 * @example
 * const source = await createPostgresSource({ pool, commitPool, store: () => store, log })
 */
export async function createPostgresSource(options: {
  pool: Pool
  commitPool: Pool
  store: () => ShapeStore<PostgresShape>
  log: (event: ShapeServerEvent) => void
}): Promise<PostgresSource> {
  const { pool, store, log } = options
  const catalog: Catalog = createCatalog(pool)
  const publication = await createPublication(pool)
  const feedsByHandle = new Map<string, ShapeFeed>()
  const missingSince = new Map<number, number>()
  let streaming = false

  const { rows } = await pool.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
  const dispatcher: Dispatcher = createDispatcher({
    pool,
    catalog,
    commits: createVisibleCommits(options.commitPool),
    startLsn: parseLsn(rows[0]?.lsn ?? null),
    onInvalid: (feed, reason) => {
      log({ level: 'info', message: `shape ${feed.log.handle} ends: ${reason}` })
      store().remove(feed.log.handle)
    },
  })

  const moveIn: MoveInQuery = (query) => query(pool)

  const context: FeedContext = {
    moveIn,
    innerMembers: createInnerMembers(),
    async snapshot(shape, work) {
      const tables = allPlans(shape.plan).map((plan) => plan.table)
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
        for (const { table } of allPlans(feed.shape.plan)) catalog.forget(table.relation)
      }
      const message = `no snapshot for shape ${feed.log.handle}: ${failure.message}`
      log({ level: 'warn', message, error })
      feed.log.fail(failure)
      store().remove(feed.log.handle)
    },
    onFailure(feed, error) {
      log({ level: 'warn', message: `shape ${feed.log.handle} ends: it cannot go on`, error })
      store().remove(feed.log.handle)
    },
  }

  function dropTable(table: TableInfo): void {
    missingSince.delete(table.oid)
    catalog.forget(table.relation)
    publication.forget(table.oid)
    for (const feed of dispatcher.feeds()) {
      if (allPlans(feed.shape.plan).some((plan) => plan.table.oid === table.oid)) {
        store().remove(feed.log.handle)
      }
    }
  }

  return {
    publication,
    define: (params) => defineShape(catalog, params),
    async defineSubset(definition, params, request) {
      return defineSubset(definition, params, request)
    },
    open(definition, shapeLog) {
      const feed = createShapeFeed(definition, shapeLog, context)
      feedsByHandle.set(shapeLog.handle, feed)
      // Registered before its snapshot is taken, so that no transaction falls between the two.
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
    setStreaming(now) {
      streaming = now
      if (now) return
      catalog.clear()
      for (const shape of store().all()) store().remove(shape.log.handle)
    },
    async reconcile() {
      const tables = new Map<number, TableInfo>()
      for (const feed of dispatcher.feeds()) {
        for (const { table } of allPlans(feed.shape.plan)) tables.set(table.oid, table)
      }
      const list = [...tables.values()]
      const oids = await currentOids(
        pool,
        list.map((table) => table.relation),
      )
      for (const [i, table] of list.entries()) {
        const limitMs = oids[i] === undefined ? droppedAfterMs : replacedAfterMs
        if (oids[i] === table.oid) missingSince.delete(table.oid)
        else if (isGoneFor(limitMs, table.oid)) dropTable(table)
      }
    },
  }

  /** The engine serves a dropped table's shapes until it looks again, after up to a minute. */
  function isGoneFor(limitMs: number, oid: number): boolean {
    const since = missingSince.get(oid) ?? Date.now()
    missingSince.set(oid, since)
    return Date.now() - since >= limitMs
  }
}

function snapshotFailure(error: unknown): ShapeFailure {
  if (error instanceof ShapeFailure) return error
  const gone = ['42P01', '42703', '3F000']
  if (gone.includes(sqlState(error) ?? '')) {
    return new ShapeFailure(409, 'the table is gone or has other columns')
  }
  if (sqlState(error) === '55P03') return lockTimeout()
  const message = error instanceof Error ? error.message : String(error)
  return new ShapeFailure(500, `Unexpected error while creating snapshot: ${message}`)
}
