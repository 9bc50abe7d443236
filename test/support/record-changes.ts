import { onTestFinished } from 'vitest'
import type { RowCollection } from '../../src/collections/index.ts'

/** Records a collection's change events from now on as short texts: `insert m1 Hello`. */
export function record<Row extends { readonly id: string }>(
  collection: RowCollection<Row>,
  show: (row: Row) => unknown,
): string[] {
  const events: string[] = []
  const subscription = collection.subscribeChanges(
    (changes) => {
      for (const { type, value } of changes) events.push(`${type} ${value.id} ${show(value)}`)
    },
    { includeInitialState: true },
  )
  onTestFinished(() => subscription.unsubscribe())
  events.length = 0
  return events
}
