import { FetchError } from '@electric-sql/client'
import { AUDIENCES_NAME, shapeUrl } from '../../shapes/shape-url.ts'
import type { Audience } from './audience-route.ts'
import { pause } from './network.ts'
import type { StreamOptions } from './stream-options.ts'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 32_000

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
    const answered = Object.fromEntries(response.headers)
    if (status < 500 && status !== 429) {
      throw new FetchError(status, undefined, answer as object | undefined, answered, url)
    }
    onFailure(`answered ${status}`)
    const wished = Number(answered['retry-after'] ?? 0) * 1_000
    const ownPause = Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
    await pause(Math.max(ownPause, wished), signal)
    signal.throwIfAborted()
  }
}

function audiencesIn(answer: unknown): readonly Audience[] {
  const { audiences } = (answer ?? {}) as { readonly audiences?: unknown }
  if (!Array.isArray(audiences)) return [undefined]
  const texts = audiences.filter((audience) => typeof audience === 'string')
  return texts.length > 0 ? [...new Set(texts)] : [undefined]
}
