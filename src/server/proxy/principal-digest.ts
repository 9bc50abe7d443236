import type { Principal } from '../../schema/principal.ts'

/** Says what a principal's rights depend on beside tenant and user, such as its roles. */
export type Fingerprint<P extends Principal = Principal> = (principal: P) => string

/** Digests of a principal, as browsers compare them. */
export type DigestOf<P extends Principal = Principal> = (principal: P) => Promise<string>

const REMEMBERED = 1_000
const known = new Map<string, string>()

/**
 * Creates what digests principals: the same on every instance, and of no use for finding out who.
 * Browsers compare it, so that what the server answers to one principal never serves another. With
 * a fingerprint it has two parts, user and rights: `USER.RIGHTS`.
 */
export function principalDigest<P extends Principal>(fingerprint?: Fingerprint<P>): DigestOf<P> {
  return async (principal) => {
    const { tenantId, userId } = principal
    const user = await digest(`principal ${JSON.stringify([tenantId, userId])}`)
    if (fingerprint === undefined) return user
    const rights = JSON.stringify([tenantId, userId, fingerprint(principal)])
    return `${user}.${await digest(`rights ${rights}`)}`
  }
}

async function digest(text: string): Promise<string> {
  const found = known.get(text)
  if (found !== undefined) return found
  const bytes = new TextEncoder().encode(`session-db ${text}`)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const hex = Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
  if (known.size >= REMEMBERED) known.clear()
  known.set(text, hex)
  return hex
}
