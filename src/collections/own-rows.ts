import type { SetMutation } from '../writes/batch.ts'
import type { OwnRows, Sources } from './sources.ts'
import { createSyncedCollection, type RowCollection } from './sync/synced-collection.ts'

/** The user's own rows about threads or messages, as one collection holds them. */
export interface OwnRowsOptions<Row extends object, Name extends SetMutation['collection']> {
  readonly shape: string
  readonly params: Readonly<Record<string, string>>
  /** The property with the id of the thread or message, by which there is one row of the user. */
  readonly key: string & keyof Row
  readonly collection: Name
  /** Returns the row that the first mutation creates. */
  readonly newRow: (id: string, now: Date) => Row
  /** Changes the row as the server will. */
  readonly change: (
    row: { -readonly [Property in keyof Row]: Row[Property] },
    changes: Extract<SetMutation, { collection: Name }>['changes'],
    now: Date,
  ) => void
  /** Called when the collection starts to sync and when it ends. */
  readonly onLiveChange?: (live: boolean) => void
  /** Returns whether a new row belongs into this collection. Default: every row does. */
  readonly holds?: (id: string) => boolean
}

/** Creates a collection of the user's own rows, which shows them before the server has answered. */
export function addOwnRows<
  Row extends { readonly version: number; readonly updatedAt: Date },
  Name extends SetMutation['collection'],
>(sources: Sources, options: OwnRowsOptions<Row, Name>): RowCollection<Row> {
  const { shape, params, key, newRow, change, holds = () => true, onLiveChange } = options
  const collectionId = [sources.prefix, shape, ...Object.values(params)].join('/')
  const source = createSyncedCollection<Row>(
    {
      collectionId,
      shape,
      params,
      key: [key],
      onLiveChange(live) {
        if (live) sources.added.own.add(rows)
        else sources.added.own.delete(rows)
        onLiveChange?.(live)
      },
    },
    sources.streams,
  )
  const { collection } = source
  const isOwn = (mutation: SetMutation): mutation is Extract<SetMutation, { collection: Name }> =>
    mutation.collection === options.collection
  const rows: OwnRows = {
    source,
    show(mutation, now) {
      const { id } = mutation
      if (!isOwn(mutation) || (!collection.has(id) && !holds(id))) return []
      const apply = (row: Row) => {
        change(row, mutation.changes, now)
        Object.assign(row, { version: row.version + 1, updatedAt: now })
      }
      if (collection.has(id)) {
        collection.update(id, (draft: Row) => apply(draft))
      } else {
        const row = newRow(id, now)
        apply(row)
        collection.insert(row)
      }
      return [source]
    },
  }
  sources.watch(source)
  return collection
}
