import type { RuntimeVisibilityAdapter } from '@electric-sql/client'

/** What the streams of one collection know of whether the page is seen. */
export interface PageVisibility {
  /** Undefined where there is no page. */
  readonly adapter: RuntimeVisibilityAdapter | undefined
  /** Lets the streams that have ended go. */
  end(): void
}

/**
 * Creates the visibility of the page for the streams of one collection. A stream of its own listens
 * to the document until somebody calls its `unsubscribeAll`, which the collection does not when it is
 * cleaned up: the document would hold every stream there ever was.
 */
export function createPageVisibility(): PageVisibility {
  const ends = new Set<() => void>()
  const state = () => (document.hidden ? 'hidden' : 'visible')
  const adapter: RuntimeVisibilityAdapter = {
    getCurrentState: state,
    subscribe(tell) {
      const listener = () => tell(state())
      document.addEventListener('visibilitychange', listener)
      const end = () => {
        document.removeEventListener('visibilitychange', listener)
        ends.delete(end)
      }
      ends.add(end)
      return end
    },
  }
  return {
    adapter: typeof document === 'undefined' ? undefined : adapter,
    end() {
      for (const end of ends) end()
    },
  }
}
