import { SessionDbError } from '../../errors.ts'
import type { UploadContext } from '../uploads/upload-state.ts'

const STORE_PARTS = Symbol.for('@org/session-db/store-parts')

/** Adds what a store is made of, for modules that read from its database under its access rule. */
export function withParts<Store extends object>(store: Store, parts: UploadContext): Store {
  return { ...store, [STORE_PARTS]: parts }
}

/**
 * Returns what a store is made of. Copies of a store have it as well.
 *
 * @throws SessionDbError `invalid` for an object that `createSessionStore` has not made.
 */
export function partsOf(store: object): UploadContext {
  const parts: unknown = Reflect.get(store, STORE_PARTS)
  if (parts !== undefined) return parts as UploadContext
  throw new SessionDbError(
    'invalid',
    'Expected a store created by createSessionStore, or in tests by createMemorySessionStore.',
  )
}
