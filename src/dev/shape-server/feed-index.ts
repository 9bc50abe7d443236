import type { RowText } from '../protocol/row-key.ts'
import { allPlans, type QueryPlan } from './query-plan.ts'
import type { ShapeFeed } from './shape-feed.ts'
import type { RowChange } from './transaction.ts'
import { requiredTexts } from './where/condition.ts'

/** Which feeds a change may concern, without asking each of them. */
export interface FeedIndex {
  add(feed: ShapeFeed): void
  remove(feed: ShapeFeed): void
  /** Every feed that reads a table. */
  ofTable(oid: number): Iterable<ShapeFeed>
  /** The feeds of a table whose condition one of the changed rows may satisfy. */
  ofChanges(oid: number, changes: readonly RowChange[]): Set<ShapeFeed>
}

interface TableIndex {
  readonly all: Set<ShapeFeed>
  /** Feeds without an equality to find them by. */
  readonly unindexed: Set<ShapeFeed>
  readonly byText: Map<string, Map<string, Set<ShapeFeed>>>
}

/**
 * Creates an empty index. A feed whose condition begins like `session_id = $1 AND …` is found by that
 * value, so that a thousand shapes of a table cost a change no more than the few it concerns.
 */
export function createFeedIndex(): FeedIndex {
  const tables = new Map<number, TableIndex>()
  const places = new Map<ShapeFeed, Set<ShapeFeed>[]>()

  function bucketFor(table: TableIndex, plan: QueryPlan): Set<ShapeFeed> {
    let best = table.unindexed
    let fewest = Number.POSITIVE_INFINITY
    // Of several equalities the one with the fewest feeds so far tells most.
    for (const { column, text } of requiredTexts(plan.condition)) {
      const texts = table.byText.get(column) ?? new Map<string, Set<ShapeFeed>>()
      const bucket = texts.get(text) ?? new Set<ShapeFeed>()
      if (bucket.size > fewest) continue
      fewest = bucket.size
      best = bucket
      table.byText.set(column, texts.set(text, bucket))
    }
    return best
  }

  return {
    add(feed) {
      const buckets: Set<ShapeFeed>[] = []
      for (const plan of allPlans(feed.shape.plan)) {
        const { oid } = plan.table
        const table = tables.get(oid) ?? { all: new Set(), unindexed: new Set(), byText: new Map() }
        tables.set(oid, table)
        table.all.add(feed)
        const bucket = bucketFor(table, plan)
        bucket.add(feed)
        buckets.push(bucket)
      }
      places.set(feed, buckets)
    },
    remove(feed) {
      for (const bucket of places.get(feed) ?? []) bucket.delete(feed)
      places.delete(feed)
      for (const plan of allPlans(feed.shape.plan)) tables.get(plan.table.oid)?.all.delete(feed)
    },
    ofTable: (oid) => tables.get(oid)?.all ?? [],
    ofChanges(oid, changes) {
      const table = tables.get(oid)
      const found = new Set(table?.unindexed)
      const look = (texts: Map<string, Set<ShapeFeed>>, column: string, row?: RowText) => {
        const text = row?.[column]
        if (typeof text !== 'string') return
        for (const feed of texts.get(text) ?? []) found.add(feed)
      }
      for (const [column, texts] of table?.byText ?? []) {
        for (const { old, row } of changes) {
          look(texts, column, old)
          look(texts, column, row)
        }
      }
      return found
    },
  }
}
