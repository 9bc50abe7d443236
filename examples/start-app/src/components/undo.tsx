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

/** How long a removal can be taken back, in milliseconds. */
const UNDO_MS = 6_000
/** Most changes in one batch. */
const BATCH = 500

interface Removal {
  readonly collection: 'sessions' | 'chatThreads' | 'chatMessages'
  /** What is taken off the screen at once. */
  readonly ids: readonly string[]
  /** What has happened, for the notice that offers to undo it. */
  readonly title: string
  /** What has not happened, should the server refuse. */
  readonly failure: string
}

interface Removals {
  readonly removed: ReadonlySet<string>
  readonly remove: (removal: Removal) => void
}

const RemovalsContext = createContext<Removals>({ removed: new Set(), remove: () => {} })

/** What is off the screen, and how to take more off it in a way that can be undone. */
export function useRemovals(): Removals {
  return useContext(RemovalsContext)
}

/**
 * Holds removals back for some seconds. Nothing is asked beforehand, and nothing has to be brought
 * back: until the time is over, the rows are only hidden here.
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

/** A page that is left has no time to write: what waits is remembered, and done by the next page. */
function useKeptRemovals(waiting: ReadonlySet<Removal>) {
  const { db, outbox, user } = useSessionDb()
  const key = `removals:${user.tenantId}/${user.id}`
  useEffect(() => {
    const kept = JSON.parse(localStorage.getItem(key) ?? '[]') as Removal[]
    localStorage.removeItem(key)
    for (const batch of kept.flatMap(batchesOf)) {
      const { batchId, committed } = db.actions.write(batch)
      // Gone already is as good.
      committed.catch(() => outbox.discard(batchId).catch(() => undefined))
    }
    const keep = () => {
      if (waiting.size > 0) localStorage.setItem(key, JSON.stringify([...waiting]))
    }
    window.addEventListener('pagehide', keep)
    return () => window.removeEventListener('pagehide', keep)
  }, [db, outbox, key, waiting])
}
