import type { Condition } from '../../access/condition.ts'
import type { MessageShape } from '../../dev/protocol/messages.ts'
import type { ShapeLog } from '../../dev/protocol/shape-log.ts'
import {
  type FieldErrors,
  type ShapeDefinition,
  ShapeFailure,
  type ShapeParams,
  type ShapeSource,
} from '../../dev/protocol/source.ts'
import { type FeedShape, type MemoryFeed, startMemoryFeed } from './memory-feed.ts'
import type { CommittedTransaction, RowSource, TableForm } from './row-source.ts'

/** A condition, and the name of the shape whose rows it decides on. */
export interface NamedCondition {
  readonly name: string
  readonly condition: Condition
}

/** A checked shape over rows in memory. */
export interface MemoryShape extends ShapeDefinition, FeedShape {
  readonly name: string
}

/** Shapes over rows in memory. */
export interface MemoryShapes extends ShapeSource<MemoryShape, never> {
  /** Tells every open shape of a transaction. */
  publish(transaction: CommittedTransaction): void
}

/**
 * Creates a source of shapes over rows in memory. No SQL is read: the caller knows which condition a
 * where clause is the text of.
 *
 * @param options.salt - makes handles differ from those of any other source, at any time.
 * @param options.conditionOf - the condition of a request; undefined where there is none such.
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
