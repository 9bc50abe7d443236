import { type ComponentType, lazy, type ReactNode, Suspense, useState } from 'react'

/**
 * A component that the first paint doesn't need. It is loaded when the page is idle, so that it
 * opens without delay, also offline.
 *
 * @param fallback shown while it loads; default: nothing
 * @example
 * const SettingsDialog = later(() => import('./settings-dialog'))
 */
export function later<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  fallback: ReactNode = null,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined
  async function loadOnce() {
    const module = await load()
    loaded = module.default
    return module
  }
  const Loading = lazy(loadOnce)
  whenIdle(() => void loadOnce().catch(() => undefined))
  // biome-ignore lint/correctness/noComponentHookFactories: called once per component, when its module loads
  return function Later(props) {
    // The same component for the life of this element: a change would drop its state.
    const [Shown] = useState(() => loaded ?? Loading)
    return (
      <Suspense fallback={fallback}>
        <Shown {...props} />
      </Suspense>
    )
  }
}

function whenIdle(task: () => void): void {
  if (typeof window === 'undefined') return
  // Safari has no idle callbacks.
  const start = () => (window.requestIdleCallback ?? setTimeout)(task)
  if (document.readyState === 'complete') start()
  else window.addEventListener('load', start, { once: true })
}
