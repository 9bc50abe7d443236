/** Scopes by id: one object per id, for as long as anybody holds it or it syncs. */
export interface ScopeRegistry<Scope extends object> {
  /** The scope of this id, made when there is none. */
  get(id: string): Scope
  /** All scopes of which a collection syncs; of this id, where one is given. */
  live(id?: string): Scope[]
}

/** Makes a scope; each of its collections must tell when it starts and when it stops to sync. */
export type CreateScope<Scope extends object> = (
  id: string,
  onLiveChange: (live: boolean) => void,
) => Scope

/**
 * Creates a registry that holds scopes strongly only while they sync. One that nobody holds any
 * more is forgotten, however many ids were asked for.
 */
export function createScopeRegistry<Scope extends object>(
  create: CreateScope<Scope>,
): ScopeRegistry<Scope> {
  const known = new Map<string, WeakRef<Scope>>()
  const syncing = new Map<string, Scope>()
  const forget = new FinalizationRegistry<string>((id) => {
    if (known.get(id)?.deref() === undefined) known.delete(id)
  })

  const make = (id: string): Scope => {
    let liveCollections = 0
    const scope = create(id, (live) => {
      liveCollections += live ? 1 : -1
      if (liveCollections > 0) syncing.set(id, scope)
      else syncing.delete(id)
    })
    known.set(id, new WeakRef(scope))
    forget.register(scope, id)
    return scope
  }

  return {
    get: (id) => known.get(id)?.deref() ?? make(id),
    live(id) {
      if (id === undefined) return [...syncing.values()]
      const scope = syncing.get(id)
      return scope === undefined ? [] : [scope]
    },
  }
}
