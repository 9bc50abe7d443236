import { FetchError } from '@electric-sql/client'
import { AUDIENCES_NAME, shapeUrl } from '../../shapes/shape-url.ts'
import { retryAfterMs } from '../../writes/retry-after.ts'
import type { Audience } from './audience-route.ts'
import { growingPause, pause } from './network.ts'
import type { StreamOptions } from './stream-options.ts'

/**
 * Requests the audiences through which the principal looks at sessions, the widest first. Only the server knows
 * them: they follow from the principal's groups and the app's access rule. From a server without the list it
 * returns `[undefined]`.
 *
 * @param onFailure called with the reason of each failure, before the request is repeated
 * @throws FetchError when the server refuses
 */
export async function fetchAudiences(
  { electricUrl, fetchClient, network }: StreamOptions,
  signal: AbortSignal,
  onFailure: (problem: string) => void,
): Promise<readonly Audience[]> {
  const url = shapeUrl(electricUrl, AUDIENCES_NAME)
  for (let failures = 0; ; failures += 1) {
    const response = await network.untilAnswered(
      () => fetchClient(url, { signal }),
      signal,
      () => onFailure('could not be reached'),
    )
    const { status, ok } = response
    const answer: unknown = await response.json().catch(() => undefined)
    if (ok) return audiencesIn(answer)
    if (status === 404 || status === 405) return [undefined]
    if (status < 500 && status !== 429) {
      const headers = Object.fromEntries(response.headers)
      throw new FetchError(status, undefined, answer as object | undefined, headers, url)
    }
    onFailure(`answered ${status}`)
    const wished = retryAfterMs(response.headers.get('retry-after')) ?? 0
    await pause(Math.max(growingPause(failures), wished), signal)
    signal.throwIfAborted()
  }
}

function audiencesIn(answer: unknown): readonly Audience[] {
  const { audiences } = (answer ?? {}) as { readonly audiences?: unknown }
  if (!Array.isArray(audiences)) return [undefined]
  const texts = audiences.filter((audience) => typeof audience === 'string')
  return texts.length > 0 ? [...new Set(texts)] : [undefined]
}
