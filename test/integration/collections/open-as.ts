import { onTestFinished } from 'vitest'
import {
  createSessionCollections,
  type RowCollection,
  type SessionCollections,
  type SessionCollectionsOptions,
} from '../../../src/collections/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import { type AppServer, USER_HEADER } from './app-server.ts'

/** Opens the app as `tenant/user`, as a browser window of theirs does. Closed with the test. */
export function openAs(
  app: AppServer,
  user: string,
  options: Partial<SessionCollectionsOptions> = {},
): SessionCollections {
  const [tenantId = '', userId = ''] = user.split('/')
  const headers = { [USER_HEADER]: user }
  const db = createSessionCollections({
    electricUrl: `${app.url}/api/shapes`,
    writeAdapter: createHttpWriteAdapter({ url: `${app.url}/api/write`, headers: () => headers }),
    identity: { tenantId, userId },
    headers,
    ...options,
  })
  onTestFinished(() => db.cleanup())
  return db
}

/** Every change event of a collection from now on, as texts: `insert m1 Hello`. */
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
