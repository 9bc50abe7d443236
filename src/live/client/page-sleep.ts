interface EventSource {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}

interface Page {
  readonly document?: EventSource
  readonly addEventListener?: EventSource['addEventListener']
  readonly removeEventListener?: EventSource['removeEventListener']
}

/**
 * Tells when the page is put to sleep (frozen in the background, or in the back/forward cache) and
 * when it is back. Outside a page nothing is told.
 *
 * @returns the way to stop
 */
export function watchPageSleep(sleep: () => void, wake: () => void): () => void {
  const page = globalThis as unknown as Page
  const { document } = page
  if (document === undefined || page.addEventListener === undefined) return () => {}
  page.addEventListener('pagehide', sleep)
  page.addEventListener('pageshow', wake)
  document.addEventListener('freeze', sleep)
  document.addEventListener('resume', wake)
  return () => {
    page.removeEventListener?.('pagehide', sleep)
    page.removeEventListener?.('pageshow', wake)
    document.removeEventListener('freeze', sleep)
    document.removeEventListener('resume', wake)
  }
}
