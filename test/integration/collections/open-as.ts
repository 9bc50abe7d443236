import { onTestFinished } from 'vitest'
import {
  createSessionCollections,
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
    writeAdapter: createHttpWriteAdapter({ url: `${app.url}/api/write`, headers }),
    identity: { tenantId, userId },
    headers,
    ...options,
  })
  onTestFinished(() => db.cleanup())
  return db
}
