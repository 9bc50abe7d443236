import type { Principal } from '../../schema/principal.ts'

/** Returns a text with everything that a principal's rights depend on beside tenant and user, such as its roles. */
export type Fingerprint<P extends Principal = Principal> = (principal: P) => string

/** Digests a principal for browsers to compare. */
export type DigestOf<P extends Principal = Principal> = (principal: P) => Promise<string>

const MAX_CACHED = 1_000
const cache = new Map<string, string>()

/**
 * Creates the digest of principals. It is the same on every instance and does not reveal the
 * principal. Browsers compare it so that responses for one principal never serve another. With
 * groups, other audiences or a fingerprint it has two parts: `USER.RIGHTS`.
 *
 * @param audiencesOf returns the audiences through which the principal looks
 */
export function principalDigest<P extends Principal>(
  fingerprint?: Fingerprint<P>,
  audiencesOf: (principal: P) => readonly string[] = () => [],
): DigestOf<P> {
  return async (principal) => {
    const { tenantId, userId, groups = [] } = principal
    const user = await digest(`principal ${JSON.stringify([tenantId, userId])}`)
    const everyones = ['tenant', `user:${userId}`]
    const audiences = audiencesOf(principal).filter((audience) => !everyones.includes(audience))
    const own = [...new Set([...groups, ...audiences])].sort()
    if (fingerprint === undefined && own.length === 0) return user
    const rights = JSON.stringify([tenantId, userId, own, fingerprint?.(principal)])
    return `${user}.${await digest(`rights ${rights}`)}`
  }
}

async function digest(text: string): Promise<string> {
  const cached = cache.get(text)
  if (cached !== undefined) return cached
  const bytes = new TextEncoder().encode(`session-db ${text}`)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const hex = Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(text, hex)
  return hex
}
