import { randomUUID } from 'node:crypto'
import type { JsonObject } from '../../schema/fields.ts'
import { createSessionIds } from '../fixed-sessions.ts'
import { createMessageStore } from './message-store.ts'
import type { LegacyContext, LegacyRecords, LegacyStoresOptions } from './store-records.ts'
import { createThreadStore } from './thread-store.ts'
import { createToolEventStore } from './tool-event-store.ts'
import { createUploadStore } from './upload-store.ts'

/**
 * Creates the functions that the old app's stores had, over the database: for an app that moves its
 * server first and its components later. Writes go through `store.write` and its policy; reads return
 * what the principal owns or what is shared with the tenant. All functions are asynchronous, and safe
 * when requests or several instances call them concurrently.
 *
 * @typeParam R the app's own record types, where they differ from `LegacyRecords`
 * @example
 * const { listChatThreads, appendChatMessage } = createLegacyStores({ store, database, principal })
 */
export function createLegacyStores<R extends { [Name in keyof LegacyRecords]?: object } = object>(
  options: LegacyStoresOptions,
) {
  const { store, principal } = options
  const ids = createSessionIds(options.fixedSessions ?? {}, principal.userId)
  const write = (...mutations: JsonObject[]) =>
    store.write(principal, { id: randomUUID(), mutations })
  const context: LegacyContext = { ...options, ids, write }
  const { activeThreadId, ...threads } = createThreadStore<R>(context)
  return {
    ...threads,
    ...createMessageStore<R>(context, { ...threads, activeThreadId }),
    ...createToolEventStore<R>(context, { activeThreadId }),
    ...createUploadStore<R>(context),
  }
}
