import { createLegacyChatStore } from './chat-store.ts'
import type { LegacyStoresOptions } from './store-records.ts'
import { createLegacyUploadStore } from './upload-store.ts'

/**
 * Creates the functions that the old app's stores had, over the database: for an app that moves its
 * server first and its components later. Writes go through `store.write` and its policy; reads return
 * what the principal owns or what is shared with the tenant.
 *
 * @example
 * const { listChatThreads, appendChatMessage } = createLegacyStores({ store, database, principal })
 */
export function createLegacyStores(options: LegacyStoresOptions) {
  return { ...createLegacyChatStore(options), ...createLegacyUploadStore(options) }
}
