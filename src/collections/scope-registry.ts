/** Scopes by id: one object per id while the app holds it or it syncs. */
export interface ScopeRegistry<Scope extends object> {
  /** Returns the scope of this id; creates it if needed. */
  get(id: string): Scope
  /** Returns all scopes with a syncing collection, or only the one of `id`. */
  live(id?: string): Scope[]
}

/** Creates a scope, whose collections must report when they start and stop syncing. */
export type CreateScope<Scope extends object> = (
  id: string,
  onLiveChange: (live: boolean) => void,
) => Scope

/**
 * Creates a registry that holds scopes strongly only while they sync; others can be collected as
 * garbage, so that memory doesn't grow with the number of ids requested.
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
