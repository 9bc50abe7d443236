import type { TableInfo } from './catalog.ts'
import { allPlans } from './query-plan.ts'
import type { ShapeFeed } from './shape-feed.ts'
import type { StreamRelation } from './transaction.ts'

/** Why a table no longer is what a feed was made for; undefined while it is. */
export function formChange(
  table: TableInfo,
  relation: StreamRelation,
  feed: ShapeFeed,
  isSelf: boolean,
): string | undefined {
  const [schema, name] = table.relation
  if (isSelf && (relation.schema !== schema || relation.name !== name)) return 'table renamed'
  const types = new Map(relation.columns.map((column) => [column.name, column.typeOid]))
  const stored = table.columns.filter((column) => !column.generated)
  const changed = stored.filter((column) => types.get(column.name) !== column.typeOid)
  const known = new Set(table.columns.map((column) => column.name))
  const others = changed.length > 0 || relation.columns.some((column) => !known.has(column.name))
  if (!others) return undefined
  if (feed.shape.allColumns && feed.shape.plan.table === table) return 'columns changed'
  const used = usedColumns(feed, table)
  return changed.some((column) => used.has(column.name)) ? 'columns changed' : 'other columns'
}

function usedColumns(feed: ShapeFeed, table: TableInfo): Set<string> {
  const used = new Set<string>(table.keyColumns)
  for (const plan of allPlans(feed.shape.plan)) {
    if (plan.table !== table) continue
    if (plan === feed.shape.plan) for (const name of feed.shape.message.columns) used.add(name)
    for (const leaf of plan.condition?.leaves ?? []) {
      const names =
        leaf.kind === 'membership' ? leaf.membership.columns.map(({ name }) => name) : leaf.columns
      for (const name of names) used.add(name)
    }
  }
  return used
}
