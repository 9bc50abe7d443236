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
import { useToast } from './ui/toaster'

/** How long a removal can be taken back, in milliseconds. */
const UNDO_MS = 6_000

interface Removal {
  /** What is taken off the screen at once. */
  readonly ids: readonly string[]
  /** What has happened, for the notice that offers to undo it. */
  readonly title: string
  /** Removes it for good, when nobody has undone it. */
  readonly commit: () => void
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
 * back: until the time is over, or the page is left, the rows are only hidden here.
 */
export function RemovalsProvider({ children }: { children: ReactNode }) {
  const toast = useToast()
  const [removals, setRemovals] = useState<readonly Removal[]>([])
  const finishers = useRef(new Map<Removal, () => void>())

  const remove = useCallback(
    (removal: Removal) => {
      setRemovals((before) => [...before, removal])
      const end = (commits: boolean) => {
        if (!finishers.current.delete(removal)) return
        clearTimeout(timer)
        closeToast()
        if (commits) removal.commit()
        setRemovals((before) => before.filter((other) => other !== removal))
      }
      const timer = setTimeout(() => end(true), UNDO_MS)
      finishers.current.set(removal, () => end(true))
      const closeToast = toast({
        title: removal.title,
        action: { label: 'Undo', onAction: () => end(false) },
        durationMs: UNDO_MS,
      })
    },
    [toast],
  )

  useEffect(() => {
    const finishAll = () => {
      for (const finish of [...finishers.current.values()]) finish()
    }
    window.addEventListener('pagehide', finishAll)
    return () => window.removeEventListener('pagehide', finishAll)
  }, [])

  const value = useMemo(
    () => ({ removed: new Set(removals.flatMap(({ ids }) => ids)), remove }),
    [removals, remove],
  )
  return <RemovalsContext value={value}>{children}</RemovalsContext>
}
