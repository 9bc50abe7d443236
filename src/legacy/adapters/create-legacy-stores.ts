import { createLegacyChatStore } from './legacy-chat-store.ts'
import type { LegacyStoresOptions } from './legacy-stores-options.ts'
import { createLegacyUploadStore } from './legacy-upload-store.ts'

/** The functions of the old stores. */
export type LegacyStores = ReturnType<typeof createLegacyStores>

/**
 * The functions that the old app's stores had, over the database: for an app that changes its server
 * first and its components later. Writes go through `store.write` under its policy; reads see what
 * the principal owns or what is shared with the tenant.
 *
 * @example
 * const { listChatThreads, appendChatMessage } = createLegacyStores({ store, database, principal })
 */
export function createLegacyStores(options: LegacyStoresOptions) {
  return { ...createLegacyChatStore(options), ...createLegacyUploadStore(options) }
}
