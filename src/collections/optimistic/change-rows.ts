import type { MutationInput } from '../../writes/batch.ts'
import type { SyncedCollection, SyncedRow, SyncStream } from '../sync/synced-collection.ts'
import { given } from './optimistic-rows.ts'

/** The row of this id, in whichever collection has it. */
export function find<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  id: string,
): Row | undefined {
  for (const { collection } of sources) {
    const row = collection.get(id)
    if (row !== undefined) return row
  }
  return undefined
}

/** Puts a row into every collection that does not have it; returns those that are to have it. */
export function insertRow<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  row: Row,
): readonly SyncStream[] {
  for (const { collection } of sources) {
    // Whether an id may be used again is the server's to say.
    if (!collection.has(row.id)) collection.insert(row)
  }
  return sources
}

/** Changes or deletes a row where it is; returns the collections that had it. */
export function changeRow<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  mutation: Extract<MutationInput, { type: 'update' | 'delete' }>,
  now: Date,
): readonly SyncStream[] {
  const holders = sources.filter(({ collection }) => collection.has(mutation.id))
  for (const source of holders) {
    if (mutation.type === 'delete') source.collection.delete(mutation.id)
    else updateRow(source, mutation.id, mutation.changes, now)
  }
  return holders
}

/** Every update bumps version and time, as the database does. Timeline events have neither. */
export function updateRow<Row extends SyncedRow>(
  { collection }: SyncedCollection<Row>,
  id: string,
  changes: object,
  now: Date,
): void {
  collection.update(id, (row: object) => {
    Object.assign(row, given(changes))
    if ('version' in row) Object.assign(row, { version: Number(row.version) + 1, updatedAt: now })
  })
}
