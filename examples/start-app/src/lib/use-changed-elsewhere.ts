import { useEffect, useRef, useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** How long a row stays highlighted, in ms. */
const MARKED_MS = 2_500

interface Versioned {
  readonly id: string
  readonly version: number
}

const none: ReadonlySet<string> = new Set()

/**
 * Returns the rows that were just added or changed by another user or window. `data-changed` in
 * styles.css highlights them for a moment.
 *
 * @param isReady false during the first load, whose rows are not changes
 */
export function useChangedElsewhere(
  rows: readonly Versioned[],
  isReady: boolean,
): ReadonlySet<string> {
  const { own } = useSessionDb()
  const [changed, setChanged] = useState(none)
  const known = useRef<ReadonlyMap<string, number> | null>(null)
  useEffect(() => {
    const before = known.current
    if (!isReady && before === null) return
    known.current = new Map(rows.map(({ id, version }) => [id, version]))
    if (before === null) return
    const news = rows.filter(({ id, version }) => before.get(id) !== version && !own.has(id))
    if (news.length > 0) setChanged(new Set(news.map(({ id }) => id)))
  }, [rows, isReady, own])
  useEffect(() => {
    if (changed.size === 0) return
    const timer = setTimeout(() => setChanged(none), MARKED_MS)
    return () => clearTimeout(timer)
  }, [changed])
  return changed
}
