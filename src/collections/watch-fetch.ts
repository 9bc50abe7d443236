import { SessionDbError } from '../errors.ts'
import type { Network } from './network.ts'
import type { WritableSyncStatus } from './sync-status.ts'

/**
 * Wraps the fetch of one stream so that a request goes again as soon as the network is back, and
 * that failures which end by themselves (network, 5xx, 429) and its place in the log can be seen.
 */
export function watchFetch(
  fetchClient: typeof fetch,
  network: Network,
  shape: string,
  status: WritableSyncStatus,
): typeof fetch {
  return async (input, init) => {
    const send = () => fetchClient(input, init)
    const noteUnreached = () => noteFailure(shape, 'could not be reached', status)
    const response = await network.untilAnswered(send, init?.signal, noteUnreached)
    if (response.ok) noteProgress(response, status)
    else if (willRetry(response.status)) noteFailure(shape, `answered ${response.status}`, status)
    return response
  }
}

function willRetry(responseStatus: number): boolean {
  return responseStatus >= 500 || responseStatus === 429
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
