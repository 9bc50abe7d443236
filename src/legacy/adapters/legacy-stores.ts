import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { createSessionIds } from '../fixed-sessions.ts'
import type { LegacyContext, LegacyStoresOptions } from './context.ts'
import { LEGACY_ROWS, type WithLegacyRows } from './legacy-rows.ts'
import { createMessageStore } from './message-store.ts'
import type { LegacyRecords } from './records.ts'
import { createSqlRows } from './sql-rows.ts'
import { createThreadStore } from './thread-store.ts'
import { createToolEventStore } from './tool-event-store.ts'
import { createUploadStore } from './upload-store.ts'

/**
 * Creates the functions that the old app's stores had, over the database: for an app that moves its
 * server first and its components later. Writes go through `store.write`, and reads follow the same access
 * rule. All functions are asynchronous, and safe when requests or several instances call them concurrently.
 * Over `createMemorySessionStore` they work in tests without a database.
 *
 * @param options the store, and the caller of the functions
 * @typeParam R the app's own record types, where they differ from `LegacyRecords`
 * @example
 * const { listChatThreads, appendChatMessage } = createLegacyStores({ store, principal })
 */
export function createLegacyStores<R extends { [Name in keyof LegacyRecords]?: object } = object>(
  options: LegacyStoresOptions,
) {
  const { principal } = options
  if (typeof principal !== 'function') return createStoresFor<R>(options, principal)
  const names = Object.keys(createStoresFor<R>(options, { tenantId: '', userId: '' }))
  const call = async (name: string, args: readonly unknown[]) => {
    const caller = await principal()
    if (!caller) throw new SessionDbError('unauthenticated', 'Sign in, then try again.')
    return Reflect.get(createStoresFor<R>(options, caller), name)(...args)
  }
  return Object.fromEntries(
    names.map((name) => [name, (...args: unknown[]) => call(name, args)]),
  ) as unknown as ReturnType<typeof createStoresFor<R>>
}

/** Creates the functions for one caller. It does no work before they are called. */
function createStoresFor<R>(options: LegacyStoresOptions, principal: Principal) {
  const { store } = options
  const ids = createSessionIds(options.fixedSessions ?? {}, principal.userId)
  const write = (...mutations: JsonObject[]) =>
    store.write(principal, { id: randomUUID(), mutations })
  const createRows = (store as Partial<WithLegacyRows>)[LEGACY_ROWS]
  const rows = createRows?.(principal) ?? createSqlRows(store, principal)
  const context: LegacyContext = { ...options, principal, rows, ids, write }
  const { activeThreadId, ...threads } = createThreadStore<R>(context)
  return {
    ...threads,
    ...createMessageStore<R>(context, { ...threads, activeThreadId }),
    ...createToolEventStore<R>(context, { activeThreadId }),
    ...createUploadStore<R>(context),
  }
}
