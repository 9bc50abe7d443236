/**
 * Waits, without keeping a process alive. Ends early, and quietly, when the signal is aborted.
 *
 * @param ms 0 waits for nothing and sets no timer
 */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer: ReturnType<typeof setTimeout> | number = setTimeout(done, ms)
    // In a browser a timer is a number, and there it keeps nothing alive.
    if (typeof timer === 'object') timer.unref()
    signal.addEventListener('abort', done)
  })
}
