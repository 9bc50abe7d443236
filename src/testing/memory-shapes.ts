import type { Condition } from '../access/condition.ts'
import {
  changeMessages,
  createRowWriter,
  finishTransaction,
  type MessageShape,
  moveEventMessage,
  type RowTags,
  rowKey,
  type ShapeChange,
  tagValue,
} from '../dev/protocol/messages.ts'
import { nextOffset } from '../dev/protocol/offset.ts'
import type { LogEntry, ShapeLog } from '../dev/protocol/shape-log.ts'
import { type SnapshotBounds, snapshotEndMessage } from '../dev/protocol/snapshot-visibility.ts'
import {
  type FieldErrors,
  type ShapeDefinition,
  ShapeFailure,
  type ShapeParams,
  type ShapeSource,
} from '../dev/protocol/source.ts'
import type { CommittedTransaction, RowSource, TableForm } from './row-source.ts'
import {
  conditionForm,
  createShapeMembers,
  type FormLeaf,
  type Member,
  type MemberChange,
  type MovedValue,
} from './shape-members.ts'

/** A condition and the name of its shape. */
export interface NamedCondition {
  readonly name: string
  readonly condition: Condition
}

/** A validated shape over rows in memory. */
export interface MemoryShape extends ShapeDefinition, FeedShape {
  readonly name: string
}

/** Shapes over rows in memory. */
export interface MemoryShapes extends ShapeSource<MemoryShape, never> {
  /** Applies a transaction to every open shape. */
  publish(transaction: CommittedTransaction): void
}

/**
 * Creates a source of shapes over rows in memory. It doesn't parse SQL: the caller maps a where clause back to
 * its condition.
 *
 * @param options.salt makes handles different from those of every other source
 * @param options.conditionOf returns the condition of a request, or undefined if it is unknown
 * @example
 * const shapes = createMemoryShapes(database, { salt: 'a', conditionOf })
 */
export function createMemoryShapes(
  source: RowSource,
  options: {
    readonly salt: string
    readonly conditionOf: (params: ShapeParams) => NamedCondition | undefined
  },
): MemoryShapes {
  const feeds = new Map<ShapeLog, MemoryFeed>()

  function define(params: ShapeParams): { definition: MemoryShape } | { errors: FieldErrors } {
    const table = params.table.replaceAll('"', '')
    const form = source.form(table)
    if (!form) {
      const message = `Table "public"."${table}" does not exist. If the table name contains capitals or special characters you must quote it.`
      return { errors: { table: [message] } }
    }
    const known = options.conditionOf(params)
    if (!known) return { errors: { where: ['is not one of the conditions known here'] } }
    const { name, condition } = known
    const message = messageShape(form, params)
    return {
      definition: {
        name,
        key: JSON.stringify([options.salt, name, table, condition, message, params.log]),
        schema: schemaOf(form, message.columns),
        table,
        condition,
        message,
        sendsRows: params.log === 'full',
      },
    }
  }

  return {
    define: async (params) => define(params),
    defineSubset: async () => ({ errors: { where: ['subsets are not offered'] } }),
    open(definition, log) {
      feeds.set(log, startMemoryFeed(definition, log, source))
    },
    close: (log) => void feeds.delete(log),
    readSubset() {
      throw new ShapeFailure(500, 'Subsets of shapes in memory cannot be read')
    },
    lastSeenLsn: () => source.lastLsn(),
    status: () => 'active',
    publish(transaction) {
      for (const feed of feeds.values()) feed(transaction)
    },
  }
}

function messageShape({ relation, keyColumns, columns }: TableForm, params: ShapeParams) {
  const asked = params.columns?.replaceAll('"', '').split(',')
  const names = columns.map(({ name }) => name).filter((name) => asked?.includes(name) ?? true)
  return { relation, keyColumns, columns: names, replica: params.replica } satisfies MessageShape
}

/** The `electric-schema` header. */
function schemaOf({ columns, keyColumns }: TableForm, names: readonly string[]): string {
  const described = columns
    .filter(({ name }) => names.includes(name))
    .map(({ name, type, notNull }) => {
      const keyPlace = keyColumns.indexOf(name)
      const key = keyPlace < 0 ? {} : { pk_index: keyPlace }
      return [name, { type, ...key, ...(notNull ? { not_null: true } : {}) }]
    })
  return JSON.stringify(Object.fromEntries(described))
}

/** The part of a shape that its feed needs. */
export interface FeedShape {
  readonly table: string
  readonly condition: Condition
  readonly message: MessageShape
  /** False for `log=changes_only`, whose snapshot has no rows. */
  readonly sendsRows: boolean
}

/** Appends a transaction's changes to the log of one shape. */
export type MemoryFeed = (transaction: CommittedTransaction) => void

/**
 * Writes the snapshot to a log. The returned feed appends transactions.
 *
 * @example
 * const feed = startMemoryFeed(shape, log, source)
 * feed({ txid: 7, lsn: 42n, changes: [{ table: 'sessions', old: undefined, row }] })
 */
function startMemoryFeed(shape: FeedShape, log: ShapeLog, source: RowSource): MemoryFeed {
  const { message } = shape
  const writeRow = createRowWriter(message)
  const form = conditionForm(shape.condition)
  const { leaves, disjuncts } = form
  const isTagged = leaves.some(({ leaf }) => leaf.kind === 'inSubquery')
  const members = createShapeMembers(
    {
      table: shape.table,
      condition: shape.condition,
      form,
      keyOf: (row) => rowKey(message.relation, message.keyColumns, row),
    },
    source,
  )

  function tagsOf({ row, on }: Member): RowTags | undefined {
    if (!isTagged) return undefined
    const part = ({ leaf }: FormLeaf) =>
      leaf.kind === 'inSubquery' ? tagValue(log.handle, [row[leaf.column] ?? null]) : '1'
    const tags = disjuncts.map((disjunct) =>
      leaves.map((leaf, at) => (disjunct.includes(at) ? part(leaf) : '')).join('/'),
    )
    return { tags, active: on }
  }

  function shapeChange({ old, now }: MemberChange): ShapeChange | undefined {
    const tags = tagged('tags', now && tagsOf(now))
    const oldTags = old && tagsOf(old)
    if (old && now) {
      const both = { ...tags, ...tagged('oldTags', oldTags) }
      return { operation: 'update', old: old.row, row: now.row, ...both }
    }
    if (now) return { operation: 'insert', row: now.row, ...tags }
    return old && { operation: 'delete', row: old.row, ...tagged('tags', oldTags) }
  }

  function moveEvent(event: 'move-in' | 'move-out', moved: readonly MovedValue[], txid: number) {
    const patterns = moved.map(({ pos, value }) => ({ pos, value: tagValue(log.handle, [value]) }))
    return moveEventMessage(event, patterns, txid)
  }

  function bounds(): SnapshotBounds {
    const next = BigInt(source.nextTxid())
    return { xmin: next, xmax: next, xip: new Set() }
  }

  for (const member of members.load()) {
    if (shape.sendsRows) log.addSnapshotMessage(writeRow(member.row, tagsOf(member)))
  }
  log.endSnapshot(snapshotEndMessage(bounds()))

  return (transaction) => {
    const { txid, lsn } = transaction
    const { movedOut, changes, movedIn, entered } = members.apply(transaction)
    const entries: LogEntry[] = []
    const add = (json: string) => {
      const last = entries.at(-1)?.offset ?? log.lastOffset
      entries.push({ offset: nextOffset(last), json })
    }
    if (movedOut.length > 0) add(moveEvent('move-out', movedOut, txid))
    const drafts = changes.flatMap((change) => {
      const seen = shapeChange(change)
      return seen ? changeMessages(message, seen, { txid, lsn, position: change.index * 2 }) : []
    })
    entries.push(...finishTransaction(drafts))
    if (movedIn.length > 0) add(moveEvent('move-in', movedIn, txid))
    for (const member of entered) {
      add(writeRow(member.row, tagsOf(member), { is_move_in: true }))
    }
    if (entered.length > 0) add(snapshotEndMessage(bounds()))
    log.append(entries)
  }
}

function tagged<Name extends string>(name: Name, tags: RowTags | undefined) {
  return (tags ? { [name]: tags } : {}) as { readonly [Key in Name]?: RowTags }
}
