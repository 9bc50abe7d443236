import type { Principal } from '../../schema/principal.ts'
import type { Limiter } from '../http/limiter.ts'
import type { RequestLimiters } from '../http/request-limits.ts'
import type { SessionStore } from './create-session-store.ts'

/** Options of `routeStores`. */
export interface RouteStoresOptions<P extends Principal, Name extends string> {
  /** The stores by name, each over its own database. */
  readonly stores: Readonly<Record<Name, SessionStore<P>>>
  /** Returns the name of the store that has the principal's tenant. */
  readonly storeOf: (principal: P) => Name
}

/**
 * Makes several stores one: each call goes to the store of its principal, and no other is asked. The worker
 * runs in all of them, and `close` closes all. Give the shape proxy the engines of the same databases.
 *
 * The adapters of `createLegacyStores` need a single store.
 *
 * @param options.stores The stores by name.
 * @param options.storeOf Returns the name of a principal's store. Its exceptions, and unknown names, are
 * thrown: no store is asked then.
 * @example
 * const store = routeStores({
 *   stores: {
 *     eu: createSessionStore({ database: process.env.DATABASE_URL_EU }),
 *     us: createSessionStore({ database: process.env.DATABASE_URL_US }),
 *   },
 *   storeOf: ({ tenantId }) => regionOf(tenantId),
 * })
 */
export function routeStores<P extends Principal, Name extends string>({
  stores,
  storeOf,
}: RouteStoresOptions<P, Name>): SessionStore<P> {
  const all = Object.values<SessionStore<P>>(stores)

  function find(principal: P): SessionStore<P> {
    const name = storeOf(principal)
    if (Object.hasOwn(stores, name)) return stores[name]
    throw new TypeError(`storeOf returned "${name}", which is not one of the stores.`)
  }

  const limiterOf = (kind: keyof RequestLimiters): Limiter => ({
    spend: (principal, cost) => find(principal as P).limiters[kind].spend(principal, cost),
    enter: async (principal, signal) =>
      find(principal as P).limiters[kind].enter(principal, signal),
    run: async (principal, work, options) =>
      find(principal as P).limiters[kind].run(principal, work, options),
  })
  const limiters: RequestLimiters = {
    writes: limiterOf('writes'),
    reads: limiterOf('reads'),
    searches: limiterOf('searches'),
    uploads: limiterOf('uploads'),
    contents: limiterOf('contents'),
  }

  /** All other methods take the principal first and return a promise. */
  function routed(method: string) {
    return async (principal: P, ...rest: unknown[]) => {
      const store = find(principal)
      return (Reflect.get(store, method) as (...args: unknown[]) => unknown)(principal, ...rest)
    }
  }
  const methods = Object.keys(all[0] ?? {}).filter((key) => !NOT_ROUTED.has(key))

  return {
    ...(Object.fromEntries(
      methods.map((method) => [method, routed(method)]),
    ) as unknown as Routed<P>),
    async *threadMessages(principal, id, request) {
      yield* find(principal).threadMessages(principal, id, request)
    },
    limiters,
    startWorker(options) {
      const workers = all.map((store) => store.startWorker(options))
      return {
        async stop() {
          await Promise.all(workers.map((worker) => worker.stop()))
        },
      }
    },
    async close() {
      await Promise.all(all.map((store) => store.close()))
    },
  }
}

const OWN = ['threadMessages', 'limiters', 'startWorker', 'close'] as const
const NOT_ROUTED: ReadonlySet<string> = new Set(OWN)

/** The methods that are routed by name; the type check fails when one takes no principal or no promise. */
type Routed<P extends Principal> = Omit<SessionStore<P>, (typeof OWN)[number]>
type NotRoutable<P extends Principal> = {
  [Key in keyof Routed<P>]: Routed<P>[Key] extends (
    principal: P,
    ...rest: never[]
  ) => Promise<unknown>
    ? never
    : Key
}[keyof Routed<P>]
const _allRoutable: NotRoutable<Principal> extends never ? true : never = true
void _allRoutable
