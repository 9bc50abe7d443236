import type { RuntimeVisibilityAdapter } from '@electric-sql/client'

/** Tells the streams of one collection whether the page is visible. */
export interface PageVisibility {
  /** Undefined outside a page. */
  readonly adapter: RuntimeVisibilityAdapter | undefined
  /** Removes the listeners of all streams. */
  end(): void
}

/**
 * Creates the page visibility for the streams of one collection. Electric's own listener stays on the
 * document until `unsubscribeAll` is called, which the collection does not do on clean-up, so the
 * document would keep every stream there ever was.
 */
export function createPageVisibility(): PageVisibility {
  const ends = new Set<() => void>()
  const state = () => (document.hidden ? 'hidden' : 'visible')
  const adapter: RuntimeVisibilityAdapter = {
    getCurrentState: state,
    subscribe(notify) {
      const listener = () => notify(state())
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
