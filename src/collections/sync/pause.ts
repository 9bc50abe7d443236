/** The part of a page this needs; absent outside a browser. */
interface Page {
  readonly addEventListener?: (type: 'online', listener: () => void) => void
  readonly removeEventListener?: (type: 'online', listener: () => void) => void
}

/**
 * Resolves after `ms`, or sooner: when the browser is online again or `signal` is aborted.
 *
 * @param others where to wait for another request to get through, if that is to end it, too
 * @returns whether that has ended it
 */
export function pause(
  ms: number,
  signal: AbortSignal | null | undefined,
  others?: Set<() => void>,
): Promise<boolean> {
  const page = globalThis as Page
  return new Promise((resolve) => {
    const timer = setTimeout(goOn, ms)
    page.addEventListener?.('online', goOn)
    signal?.addEventListener('abort', goOn)
    others?.add(follow)

    function follow(): void {
      end(true)
    }
    function goOn(): void {
      end(false)
    }
    function end(isFollowing: boolean): void {
      clearTimeout(timer)
      page.removeEventListener?.('online', goOn)
      signal?.removeEventListener('abort', goOn)
      others?.delete(follow)
      resolve(isFollowing)
    }
  })
}
