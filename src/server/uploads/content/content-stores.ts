import type { Pool } from 'pg'
import { SessionDbError } from '../../../writes/errors.ts'
import { type ContentKey, type ContentStore, parseContentRef } from './content-store.ts'
import { createPostgresContentStore, type PostgresContentStore } from './postgres-content-store.ts'

/** Every content store of an app. */
export interface ContentStores {
  /** Where new contents go. */
  readonly current: ContentStore
  readonly postgres: PostgresContentStore
  /**
   * The store and the key of a session's content.
   *
   * @throws SessionDbError `unavailable` when the app no longer has that store.
   */
  locate(tenantId: string, ref: string): { readonly store: ContentStore; readonly key: ContentKey }
}

/**
 * Brings an app's stores together. The first takes what is new; the others, and Postgres, stay
 * readable, so that an app can change its mind.
 */
export function createContentStores(
  database: Pool,
  given: ContentStore | readonly ContentStore[] = [],
): ContentStores {
  const postgres = createPostgresContentStore({ database })
  const stores = [given].flat() as ContentStore[]
  const byScheme = new Map<string, ContentStore>([['pg', postgres]])
  for (const store of stores) if (store.scheme !== 'pg') byScheme.set(store.scheme, store)
  return {
    current: byScheme.get(stores[0]?.scheme ?? 'pg') ?? postgres,
    postgres,
    locate(tenantId, ref) {
      const parsed = parseContentRef(ref)
      const store = parsed && byScheme.get(parsed.scheme)
      if (parsed !== undefined && store !== undefined) {
        return { store, key: { tenantId, sha256: parsed.sha256 } }
      }
      const scheme = ref.slice(0, Math.max(0, ref.indexOf(':')))
      throw new SessionDbError(
        'unavailable',
        `The content is in a store '${scheme}' that this app does not have now. Add it to contents.`,
      )
    },
  }
}
