import type { Pool } from 'pg'
import type { RowText } from '../protocol/row-key.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { createFeedIndex } from './feed-index.ts'
import { allPlans, type QueryPlan } from './query-plan.ts'
import type { RoutedTransaction } from './routed-transaction.ts'
import { type EvaluationRequest, evaluateRows } from './row-evaluator.ts'
import type { ShapeFeed } from './shape-feed.ts'
import { formChange } from './table-form.ts'
import type { RowChange, StreamRelation, Transaction } from './transaction.ts'
import type { VisibleCommits } from './visible-commits.ts'
import type { Leaf } from './where/condition.ts'

/** Hands each transaction of the stream to the shapes it concerns. */
export interface Dispatcher {
  add(feed: ShapeFeed): void
  remove(feed: ShapeFeed): void
  feeds(): readonly ShapeFeed[]
  dispatch(transaction: Transaction): Promise<void>
  /** LSN of the last transaction that was handed out. */
  lastLsn(): bigint
}

/**
 * Creates a dispatcher without feeds.
 *
 * @param options.onInvalid - told of feeds whose table was truncated or has another form now.
 * @example
 * await dispatcher.dispatch(transaction)
 */
export function createDispatcher(options: {
  pool: Pool
  catalog: Catalog
  commits: VisibleCommits
  startLsn: bigint
  onInvalid: (feed: ShapeFeed, reason: string) => void
}): Dispatcher {
  const { catalog, onInvalid } = options
  const feeds = new Set<ShapeFeed>()
  const index = createFeedIndex()
  /** How many feeds had been added when the form of a relation was found to suit all of them. */
  const checked = new WeakMap<StreamRelation, number>()
  let added = 0
  let lastLsn = options.startLsn

  function concerned(tables: Iterable<number>): Set<ShapeFeed> {
    const found = new Set<ShapeFeed>()
    for (const oid of tables) for (const feed of index.ofTable(oid)) found.add(feed)
    return found
  }

  async function tablesOf(relation: StreamRelation): Promise<number[]> {
    return [relation.oid, ...(await catalog.ancestors(relation.oid))]
  }

  async function route(transaction: Transaction): Promise<Map<number, RowChange[]>> {
    const changes = new Map<number, RowChange[]>()
    const tables = new Map<StreamRelation, number[]>()
    for (const change of transaction.changes) {
      const known = tables.get(change.relation) ?? (await tablesOf(change.relation))
      tables.set(change.relation, known)
      for (const oid of known) {
        const list = changes.get(oid)
        if (list) list.push(change)
        else changes.set(oid, [change])
      }
    }
    for (const [relation, oids] of tables) await checkForm(relation, oids)
    return changes
  }

  /** Ends the shapes that a table's new form makes untrue. A relation is a new object when it has one. */
  async function checkForm(relation: StreamRelation, oids: readonly number[]): Promise<void> {
    if (checked.get(relation) === added) return
    const isNew = !checked.has(relation)
    const suiting = new Set<TableInfo>()
    let allSuit = true
    for (const feed of concerned(oids)) {
      for (const plan of allPlans(feed.shape.plan)) {
        if (!oids.includes(plan.table.oid) || suiting.has(plan.table)) continue
        const reason = formChange(plan.table, relation, feed, oids[0] === plan.table.oid)
        if (reason === undefined) {
          suiting.add(plan.table)
          continue
        }
        allSuit = false
        catalog.forget(plan.table.relation)
        if (reason !== 'other columns') onInvalid(feed, reason)
      }
    }
    if (allSuit) checked.set(relation, added)
    // What the stream does not tell may have changed: whether a column can be null, for one.
    if (isNew) for (const table of suiting) await catalog.refresh(table.relation)
  }

  async function truncate(relations: readonly StreamRelation[]): Promise<void> {
    for (const relation of relations) {
      const tables = await tablesOf(relation)
      for (const feed of concerned(tables)) onInvalid(feed, 'the table was truncated')
    }
  }

  async function verdictsFor(
    changes: ReadonlyMap<number, readonly RowChange[]>,
    targets: ReadonlySet<ShapeFeed>,
  ): Promise<RoutedTransaction['verdict']> {
    const requests = new Map<TableInfo, { rows: RowText[]; leaves: Map<string, SqlLeaf> }>()
    for (const feed of targets) {
      for (const plan of allPlans(feed.shape.plan)) {
        const touched = changes.get(plan.table.oid)
        const leaves = sqlLeaves(plan)
        if (!touched || leaves.length === 0) continue
        const request = requests.get(plan.table) ?? { rows: rowsOf(touched), leaves: new Map() }
        for (const leaf of leaves) request.leaves.set(leaf.sql, leaf)
        requests.set(plan.table, request)
      }
    }
    if (requests.size === 0) return noVerdict
    const list: EvaluationRequest[] = [...requests].map(([table, { rows, leaves }]) => ({
      table,
      rows,
      leaves: [...leaves.values()],
    }))
    const verdicts = await evaluateRows(options.pool, list)
    return (row, sql) => verdicts.of(row, sql)
  }

  return {
    add(feed) {
      added += 1
      feeds.add(feed)
      index.add(feed)
    },
    remove(feed) {
      feeds.delete(feed)
      index.remove(feed)
    },
    feeds: () => [...feeds],
    async dispatch(transaction) {
      // First of all: no snapshot taken from here on misses this transaction.
      await options.commits.waitFor(transaction.xid)
      await truncate(transaction.truncated)
      const changes = await route(transaction)
      const targets = new Set<ShapeFeed>()
      for (const [oid, list] of changes) {
        for (const feed of index.ofChanges(oid, list)) targets.add(feed)
      }
      const verdict = await verdictsFor(changes, targets)
      const routed: RoutedTransaction = {
        xid: transaction.xid,
        lsn: transaction.lsn,
        tables: new Set(changes.keys()),
        changesOf: (oid) => changes.get(oid) ?? [],
        verdict,
      }
      for (const feed of targets) feed.offer(routed)
      lastLsn = transaction.lsn
    },
    lastLsn: () => lastLsn,
  }
}

type SqlLeaf = Extract<Leaf, { kind: 'sql' }>

const noVerdict = (): never => {
  throw new Error('no condition of this transaction needed Postgres')
}

function sqlLeaves(plan: QueryPlan): SqlLeaf[] {
  return (plan.condition?.leaves ?? []).filter((leaf) => leaf.kind === 'sql')
}

function rowsOf(changes: readonly RowChange[]): RowText[] {
  return changes.flatMap(({ old, row }) => [old, row].filter((side) => side !== undefined))
}
