import { vi } from 'vitest'

/** A page with a browser state set by the test, in which no timer ever ends. */
export function stubPage() {
  const page = new EventTarget()
  const navigator = { onLine: true }
  vi.stubGlobal('navigator', navigator)
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  return {
    goOffline: () => {
      navigator.onLine = false
    },
    goOnline: () => {
      navigator.onLine = true
      page.dispatchEvent(new Event('online'))
    },
  }
}
