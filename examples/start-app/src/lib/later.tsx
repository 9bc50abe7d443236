import { type ComponentType, lazy, Suspense } from 'react'

/**
 * A component that the first paint doesn't need. It is loaded when the page is idle, so that it
 * opens without delay, also offline.
 *
 * @example
 * const SettingsDialog = later(() => import('./settings-dialog'))
 */
export function later<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
): ComponentType<Props> {
  const Loaded = lazy(load)
  whenIdle(() => void load().catch(() => undefined))
  // biome-ignore lint/correctness/noComponentHookFactories: called once per component, when its module loads
  return function Later(props) {
    return (
      <Suspense fallback={null}>
        <Loaded {...props} />
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
