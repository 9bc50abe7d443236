/** The browser global used here; absent in older browsers, null in happy-dom. */
interface Page {
  readonly navigator?: {
    readonly locks?: {
      request(
        name: string,
        options: { readonly signal: AbortSignal },
        work: () => Promise<void>,
      ): Promise<unknown>
    } | null
  }
}

const busy = new Map<string, Promise<void>>()

/**
 * Runs `work` when no other tab of this browser runs it under the same name, and waits until then.
 * Without Web Locks it only excludes other callers in this page.
 */
export async function onlyOneTab(
  name: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const locks = (globalThis as Page).navigator?.locks
  if (!locks) return onlyHere(name, signal, work)
  try {
    await locks.request(name, { signal }, work)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function onlyHere(name: string, signal: AbortSignal, work: () => Promise<void>) {
  const turn = (busy.get(name) ?? Promise.resolve()).then(async () => {
    if (!signal.aborted) await work()
  })
  const done = turn.catch(() => undefined)
  busy.set(name, done)
  await turn
  if (busy.get(name) === done) busy.delete(name)
}
