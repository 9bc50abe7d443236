import type { Pool } from 'pg'
import type { RowText } from '../protocol/messages.ts'
import { isVisible, parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { allPlans, type QueryPlan } from './query-plan.ts'
import { type EvaluationRequest, evaluateRows } from './row-queries.ts'
import type { ShapeFeed } from './shape-feed.ts'
import type { RoutedTransaction, RowChange, StreamRelation, Transaction } from './transaction.ts'
import { type ColumnText, type Leaf, requiredTexts } from './where/condition.ts'

/** Passes each transaction of the stream to the shapes it concerns. */
export interface Dispatcher {
  add(feed: ShapeFeed): void
  remove(feed: ShapeFeed): void
  feeds(): readonly ShapeFeed[]
  dispatch(transaction: Transaction): Promise<void>
  /** Returns the LSN of the last dispatched transaction. */
  lastLsn(): bigint
}

/** A plan of a feed with the column values that its condition requires, if any. */
interface FeedPlan {
  readonly plan: QueryPlan
  readonly required: readonly ColumnText[]
}

/**
 * Creates a dispatcher without feeds.
 *
 * @param options.commitPool a separate connection, so that large snapshots don't hold up the stream
 * @param options.onInvalid called with feeds whose table was truncated or has changed its form
 */
export function createDispatcher(options: {
  pool: Pool
  commitPool: Pool
  catalog: Catalog
  startLsn: bigint
  onInvalid: (feed: ShapeFeed, reason: string) => void
}): Dispatcher {
  const { pool, catalog, onInvalid } = options
  const feeds = new Map<ShapeFeed, FeedPlan[]>()
  const untilVisible = visibilityWait(options.commitPool)
  /** For each relation that suited all feeds, the number of feeds added by then. */
  const checked = new WeakMap<StreamRelation, number>()
  let added = 0
  let lastLsn = options.startLsn

  function feedsOf(oids: readonly number[]): ShapeFeed[] {
    return [...feeds.keys()].filter(({ shape }) =>
      allPlans(shape.plan).some(({ table }) => oids.includes(table.oid)),
    )
  }

  async function tablesOf(relation: StreamRelation): Promise<number[]> {
    return [relation.oid, ...(await catalog.ancestors(relation.oid))]
  }

  /** Groups the changes by table, partitioned ancestors included. */
  async function route(transaction: Transaction): Promise<Map<number, RowChange[]>> {
    const changes = new Map<number, RowChange[]>()
    const tables = new Map<StreamRelation, number[]>()
    for (const change of transaction.changes) {
      const oids = tables.get(change.relation) ?? (await tablesOf(change.relation))
      tables.set(change.relation, oids)
      for (const oid of oids) {
        const list = changes.get(oid)
        if (list) list.push(change)
        else changes.set(oid, [change])
      }
    }
    for (const [relation, oids] of tables) await checkForm(relation, oids)
    return changes
  }

  /** Ends the shapes that a table's new form invalidates. Postgres announces changed tables again. */
  async function checkForm(relation: StreamRelation, oids: readonly number[]): Promise<void> {
    if (checked.get(relation) === added) return
    const isNew = !checked.has(relation)
    const suiting = new Set<TableInfo>()
    let allSuit = true
    for (const feed of feedsOf(oids)) {
      for (const { table } of allPlans(feed.shape.plan)) {
        if (!oids.includes(table.oid) || suiting.has(table)) continue
        const reason = formChange(table, relation, feed, oids[0] === table.oid)
        if (reason === undefined) {
          suiting.add(table)
          continue
        }
        allSuit = false
        catalog.forget(table.relation)
        if (reason !== 'other columns') onInvalid(feed, reason)
      }
    }
    if (allSuit) checked.set(relation, added)
    // The announcement omits some properties that may have changed, such as NOT NULL.
    if (isNew) for (const table of suiting) await catalog.refresh(table.relation)
  }

  /** Has Postgres decide the conditions of the concerned feeds that cannot be decided here. */
  async function verdictsFor(
    changes: ReadonlyMap<number, readonly RowChange[]>,
    concerned: readonly ShapeFeed[],
  ): Promise<RoutedTransaction['verdict']> {
    const requests = new Map<TableInfo, { rows: RowText[]; leaves: Map<string, SqlLeaf> }>()
    for (const feed of concerned) {
      for (const plan of allPlans(feed.shape.plan)) {
        const touched = changes.get(plan.table.oid)
        const leaves = (plan.condition?.leaves ?? []).filter((leaf) => leaf.kind === 'sql')
        if (!touched || leaves.length === 0) continue
        const request = requests.get(plan.table) ?? { rows: rowsOf(touched), leaves: new Map() }
        for (const leaf of leaves) request.leaves.set(leaf.sql, leaf)
        requests.set(plan.table, request)
      }
    }
    const list: EvaluationRequest[] = [...requests].map(([table, { rows, leaves }]) => ({
      table,
      rows,
      leaves: [...leaves.values()],
    }))
    return evaluateRows(pool, list)
  }

  return {
    add(feed) {
      added += 1
      const plans = allPlans(feed.shape.plan)
      feeds.set(
        feed,
        plans.map((plan) => ({ plan, required: requiredTexts(plan.condition) })),
      )
    },
    remove(feed) {
      feeds.delete(feed)
    },
    feeds: () => [...feeds.keys()],
    async dispatch(transaction) {
      // Before anything else, so that no snapshot taken from here on misses this transaction.
      await untilVisible(transaction.xid)
      for (const { relation, reason } of transaction.lost) {
        for (const feed of feedsOf(await tablesOf(relation))) onInvalid(feed, reason)
      }
      const changes = await route(transaction)
      const concerned: ShapeFeed[] = []
      for (const [feed, plans] of feeds) {
        if (plans.some((plan) => mayConcern(plan, changes))) concerned.push(feed)
      }
      const routed: RoutedTransaction = {
        xid: transaction.xid,
        lsn: transaction.lsn,
        tables: new Set(changes.keys()),
        changesOf: (oid) => changes.get(oid) ?? [],
        verdict: await verdictsFor(changes, concerned),
      }
      for (const feed of concerned) feed.offer(routed)
      lastLsn = transaction.lsn
    },
    lastLsn: () => lastLsn,
  }
}

type SqlLeaf = Extract<Leaf, { kind: 'sql' }>

function rowsOf(changes: readonly RowChange[]): RowText[] {
  return changes.flatMap(({ old, row }) => [old, row].filter((side) => side !== undefined))
}

/**
 * Returns false for a plan such as `session_id = 's1' AND …` when no changed row has that value. Most
 * shapes are ruled out by this, without deciding their whole condition.
 */
function mayConcern(
  { plan, required }: FeedPlan,
  changes: ReadonlyMap<number, readonly RowChange[]>,
): boolean {
  const touched = changes.get(plan.table.oid)
  if (!touched) return false
  const fits = (row: RowText | undefined) =>
    row !== undefined && required.every(({ column, text }) => row[column] === text)
  return required.length === 0 || touched.some(({ old, row }) => fits(old) || fits(row))
}

/** Returns how a table differs from the one a feed was made for; undefined if it doesn't. */
function formChange(
  table: TableInfo,
  relation: StreamRelation,
  feed: ShapeFeed,
  isSelf: boolean,
): 'table renamed' | 'columns changed' | 'other columns' | undefined {
  const [schema, name] = table.relation
  if (isSelf && (relation.schema !== schema || relation.name !== name)) return 'table renamed'
  const types = new Map(relation.columns.map((column) => [column.name, column.typeOid]))
  const stored = table.columns.filter((column) => !column.generated)
  const changed = stored.filter((column) => types.get(column.name) !== column.typeOid)
  const known = new Set(table.columns.map((column) => column.name))
  const isSame = changed.length === 0 && relation.columns.every((column) => known.has(column.name))
  if (isSame) return undefined
  if (feed.shape.allColumns && feed.shape.plan.table === table) return 'columns changed'
  const used = usedColumns(feed, table)
  return changed.some((column) => used.has(column.name)) ? 'columns changed' : 'other columns'
}

function usedColumns({ shape }: ShapeFeed, table: TableInfo): Set<string> {
  const used = new Set<string>(table.keyColumns)
  for (const plan of allPlans(shape.plan)) {
    if (plan.table !== table) continue
    if (plan === shape.plan) for (const name of shape.message.columns) used.add(name)
    for (const leaf of plan.condition?.leaves ?? []) {
      const names =
        leaf.kind === 'membership' ? leaf.membership.columns.map(({ name }) => name) : leaf.columns
      for (const name of names) used.add(name)
    }
  }
  return used
}

/**
 * Creates a function that waits until every new snapshot contains a transaction.
 *
 * A commit reaches the stream a moment before queries see it and before its writer gets the answer. Waiting
 * here ensures that later snapshots contain the transaction, and that no client receives a change before
 * its writer could. The last snapshot is remembered: in a burst one query covers many transactions.
 */
function visibilityWait(pool: Pool): (xid: number) => Promise<void> {
  let seen: SnapshotBounds | undefined

  async function snapshot(): Promise<SnapshotBounds> {
    const { rows } = await pool.query<{ snapshot: string }>({
      name: 'visible',
      text: 'SELECT pg_current_snapshot() AS snapshot',
    })
    return parseSnapshot(rows[0]?.snapshot ?? '')
  }

  return async (xid) => {
    if (seen && isVisible(seen, xid)) return
    seen = await snapshot()
    while (!isVisible(seen, xid)) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      seen = await snapshot()
    }
  }
}
