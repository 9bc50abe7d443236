import type { Audience } from './audience-route.ts'

/** A row that several audiences may show. */
export interface AudienceRow {
  readonly id: string
  readonly version: number
}

/** A change of a row in one audience. */
export type AudienceChange<Row extends AudienceRow> =
  | { readonly type: 'insert' | 'update'; readonly row: Row }
  | { readonly type: 'delete'; readonly id: string }

/** A change of the union. */
export type UnionChange<Row extends AudienceRow> =
  | { readonly type: 'insert' | 'update'; readonly value: Row }
  | { readonly type: 'delete'; readonly key: string }

/** Options of `createAudienceRows`. */
export interface AudienceRowsOptions<Row extends AudienceRow> {
  /** Writes changes of the union, as one transaction. */
  readonly write: (changes: readonly UnionChange<Row>[]) => void
  /** Returns whether a row shows; an optimistic delete hides it. */
  readonly isShown: (id: string) => boolean
  /** The number of audiences. */
  readonly audienceCount: () => number
  /** Called after the audiences of these rows have changed. */
  readonly onMoved: (ids: ReadonlySet<string>) => void
  /** How long a row that left an audience may take to arrive in another, in ms. */
  readonly holdMs?: number
}

/** The rows of all audiences, each once. */
export interface AudienceRows<Row extends AudienceRow> {
  /** Applies one transaction of an audience. */
  apply(audience: Audience, changes: readonly AudienceChange<Row>[]): void
  /** Removes everything that an audience shows. */
  drop(audience: Audience): void
  /** Returns the audiences that show a row, in no order. */
  holders(id: string): readonly Audience[]
  /** Resolves when no row is held, so that what shows is what the audiences show. */
  settled(): Promise<void>
  /** Forgets everything, without writing. */
  clear(): void
}

interface Held {
  /** The audiences that the row has left since it was last sent. */
  readonly left: Set<Audience>
}

const HOLD_MS = 200

/**
 * Creates the union of the rows that audiences show: each row once, in its newest version.
 *
 * The streams of two audiences are read apart, so a row that moves from one to the other may leave the first
 * before it arrives in the second. A row that leaves an audience is therefore held as it was until another
 * audience has sent it, all audiences have lost it, or a fifth of a second has passed. A row that an optimistic delete
 * hides is held for as long as that: otherwise it would show again until its last audience has sent the delete.
 */
export function createAudienceRows<Row extends AudienceRow>(
  options: AudienceRowsOptions<Row>,
): AudienceRows<Row> {
  const { write, isShown, audienceCount, onMoved, holdMs = HOLD_MS } = options
  const holdersOf = new Map<string, Map<Audience, Row>>()
  const shown = new Map<string, Row>()
  const held = new Map<string, Held>()
  let waiting: (() => void)[] = []
  const timers = new Set<ReturnType<typeof setTimeout>>()

  function put(audience: Audience, row: Row): void {
    const holders = holdersOf.get(row.id)
    if (holders === undefined) holdersOf.set(row.id, new Map([[audience, row]]))
    else holders.set(audience, row)
  }

  function remove(audience: Audience, id: string): boolean {
    const holders = holdersOf.get(id)
    if (!holders?.delete(audience)) return false
    if (holders.size === 0) holdersOf.delete(id)
    return true
  }

  /** Decides whether a row that has left an audience stays as it is for now. */
  function isHeld(id: string, audience: Audience): boolean {
    const { left } = held.get(id) ?? { left: new Set() }
    left.add(audience)
    // An optimistic delete hides the row already, so nothing would flicker.
    const isLost = !holdersOf.has(id) && (!isShown(id) || left.size >= audienceCount())
    if (isLost) held.delete(id)
    else held.set(id, { left })
    return !isLost
  }

  function changeOf(id: string): UnionChange<Row> | undefined {
    const before = shown.get(id)
    const now = newest(holdersOf.get(id), before)
    if (now === before) return undefined
    if (now === undefined) {
      shown.delete(id)
      return { type: 'delete', key: id }
    }
    shown.set(id, now)
    return { type: before === undefined ? 'insert' : 'update', value: now }
  }

  function render(ids: Iterable<string>): void {
    const changes = [...ids].flatMap((id) => changeOf(id) ?? [])
    if (changes.length > 0) write(changes)
    if (held.size > 0) return
    const due = waiting
    waiting = []
    for (const resolve of due) resolve()
  }

  function settleLater(holds: ReadonlyMap<string, Held>): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      const due = [...holds].filter(([id, hold]) => held.get(id) === hold)
      // While an optimistic delete hides a row, the audiences that remain have yet to send its delete.
      const awaited = due.filter(([id]) => shown.has(id) && holdersOf.has(id) && !isShown(id))
      if (awaited.length > 0) settleLater(new Map(awaited))
      const over = due.filter((each) => !awaited.includes(each)).map(([id]) => id)
      for (const id of over) held.delete(id)
      render(over)
    }, holdMs)
    timers.add(timer)
  }

  function apply(audience: Audience, changes: readonly AudienceChange<Row>[]): void {
    const touched = new Set<string>()
    const gone = new Set<string>()
    for (const change of changes) {
      const id = change.type === 'delete' ? change.id : change.row.id
      touched.add(id)
      if (change.type === 'delete') {
        if (remove(audience, id)) gone.add(id)
      } else {
        put(audience, change.row)
        gone.delete(id)
        held.delete(id)
      }
    }
    const staying = new Set([...gone].filter((id) => isHeld(id, audience)))
    if (staying.size > 0) {
      settleLater(new Map([...staying].map((id) => [id, held.get(id) as Held])))
    }
    render([...touched].filter((id) => !staying.has(id)))
    onMoved(touched)
  }

  return {
    apply,
    drop(audience) {
      const ids = [...holdersOf].flatMap(([id, holders]) => (holders.has(audience) ? [id] : []))
      apply(
        audience,
        ids.map((id) => ({ type: 'delete', id })),
      )
    },
    holders: (id) => [...(holdersOf.get(id)?.keys() ?? [])],
    settled: () =>
      held.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push(resolve)
          }),
    clear() {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
      holdersOf.clear()
      shown.clear()
      held.clear()
      render([])
    },
  }
}

/** Returns the newest of a row's copies; the one that shows, if it is as new as any. */
function newest<Row extends AudienceRow>(
  holders: ReadonlyMap<Audience, Row> | undefined,
  shown: Row | undefined,
): Row | undefined {
  const rows = [...(holders?.values() ?? [])]
  let best = rows.find((row) => row === shown)
  for (const row of rows) if (best === undefined || row.version > best.version) best = row
  return best
}
