import { SessionDbError } from '../../errors.ts'
import type { Network } from './network.ts'
import { upToDateNow, type WritableSyncStatus } from './sync-status.ts'

/**
 * Wraps the fetch of one stream so that a request goes again as soon as the network is back, and
 * that failures which end by themselves (network, 5xx, 429), that they have ended, and its place in
 * the log can be seen.
 */
export function watchFetch(
  fetchClient: typeof fetch,
  network: Network,
  shape: string,
  status: WritableSyncStatus,
): typeof fetch {
  return async (input, init) => {
    const url = String(input)
    const catchUp = url.replace('&live=true', '')
    // A live poll is silent until there is news: it does not tell that a failure has ended.
    let next = status.get().isUpToDate ? url : catchUp
    for (;;) {
      const send = () => fetchClient(next, init)
      const response = await network.untilAnswered(send, init?.signal, () => {
        noteFailure(shape, 'could not be reached', status)
        next = catchUp
      })
      const { ok, status: code, headers, body } = response
      if (next === url) {
        if (ok) noteProgress(response, status)
        // Others end the stream, which says so itself.
        else if (code >= 500 || code === 429) noteFailure(shape, `answered ${code}`, status)
        return response
      }
      body?.cancel().catch(() => undefined)
      const hasMore = headers.get('electric-offset') !== status.get().offset
      if (ok && !hasMore) status.update(upToDateNow())
      next = url
    }
  }
}

function noteProgress({ headers }: Response, status: WritableSyncStatus): void {
  const handle = headers.get('electric-handle')
  const offset = headers.get('electric-offset')
  const now = status.get()
  if (handle === now.handle && offset === now.offset) return
  status.update({ handle, offset })
}

function noteFailure(shape: string, what: string, status: WritableSyncStatus): void {
  const message = `The server of ${shape} ${what}. The stream tries again by itself.`
  const lastError = new SessionDbError('unavailable', message, { details: { shape } })
  status.update({ lastError, isUpToDate: false })
}
