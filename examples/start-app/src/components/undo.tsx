import type { MutationInput } from '@org/session-db'
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { useReport, useSessionDb } from './session-db'
import { useToast } from './ui/toaster'

/** How long a removal can be undone, in ms. */
const UNDO_MS = 6_000
/** Maximum number of changes in one batch. */
const BATCH = 500

interface Removal {
  readonly collection: 'sessions' | 'chatThreads' | 'chatMessages'
  /** The rows to hide immediately. */
  readonly ids: readonly string[]
  /** The title of the notice that offers to undo it. */
  readonly title: string
  /** The title of the notice if the server refuses. */
  readonly failure: string
}

interface Removals {
  readonly removed: ReadonlySet<string>
  readonly remove: (removal: Removal) => void
}

const RemovalsContext = createContext<Removals>({ removed: new Set(), remove: () => {} })

/** The hidden rows, and a function that hides more with an undo. */
export function useRemovals(): Removals {
  return useContext(RemovalsContext)
}

/**
 * Delays removals for some seconds instead of asking for confirmation. Until then the rows are only
 * hidden, so undoing restores nothing.
 */
export function RemovalsProvider({ children }: { children: ReactNode }) {
  const toast = useToast()
  const commit = useCommit()
  const [removals, setRemovals] = useState<readonly Removal[]>([])
  const waiting = useRef(new Set<Removal>())
  useKeptRemovals(waiting.current)

  const remove = useCallback(
    (removal: Removal) => {
      setRemovals((before) => [...before, removal])
      waiting.current.add(removal)
      const end = (isUndone: boolean) => {
        if (!waiting.current.delete(removal)) return
        clearTimeout(timer)
        closeToast()
        if (!isUndone) commit(removal)
        setRemovals((before) => before.filter((other) => other !== removal))
      }
      const timer = setTimeout(() => end(false), UNDO_MS)
      const closeToast = toast({
        title: removal.title,
        action: { label: 'Undo', onAction: () => end(true) },
        durationMs: UNDO_MS,
      })
    },
    [toast, commit],
  )

  const value = useMemo(
    () => ({ removed: new Set(removals.flatMap(({ ids }) => ids)), remove }),
    [removals, remove],
  )
  return <RemovalsContext value={value}>{children}</RemovalsContext>
}

function batchesOf({ collection, ids }: Removal): MutationInput[][] {
  const mutations = ids.map((id): MutationInput => ({ collection, type: 'delete', id }))
  const batches = Math.ceil(mutations.length / BATCH)
  return Array.from({ length: batches }, (_, n) => mutations.slice(n * BATCH, (n + 1) * BATCH))
}

function useCommit() {
  const { db } = useSessionDb()
  const report = useReport()
  return useCallback(
    (removal: Removal) => {
      for (const batch of batchesOf(removal)) {
        report(removal.failure, db.actions.write(batch), ...removal.ids)
      }
    },
    [db, report],
  )
}

/**
 * A page that is closed has no time to write: pending removals are stored, and done by the next
 * page.
 */
function useKeptRemovals(waiting: ReadonlySet<Removal>) {
  const { db, outbox, user } = useSessionDb()
  const key = `removals:${user.tenantId}/${user.id}`
  useEffect(() => {
    const kept = JSON.parse(localStorage.getItem(key) ?? '[]') as Removal[]
    localStorage.removeItem(key)
    for (const batch of kept.flatMap(batchesOf)) {
      const { batchId, committed } = db.actions.write(batch)
      // Already removed by someone else.
      committed.catch(() => outbox.discard(batchId).catch(() => undefined))
    }
    const keep = () => {
      if (waiting.size > 0) localStorage.setItem(key, JSON.stringify([...waiting]))
    }
    window.addEventListener('pagehide', keep)
    return () => window.removeEventListener('pagehide', keep)
  }, [db, outbox, key, waiting])
}
