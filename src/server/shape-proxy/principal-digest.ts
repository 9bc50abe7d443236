import type { Principal } from '../../schema/principal.ts'

const REMEMBERED = 1_000
const known = new Map<string, string>()

/**
 * A short digest of who somebody is: the same on every instance, and of no use for finding out who.
 * Browsers compare it, so that what the server answers to one principal never serves another.
 */
export async function principalDigest({ tenantId, userId }: Principal): Promise<string> {
  const text = JSON.stringify([tenantId, userId])
  const found = known.get(text)
  if (found !== undefined) return found
  const bytes = new TextEncoder().encode(`session-db principal ${text}`)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const digest = Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0'))
  if (known.size >= REMEMBERED) known.clear()
  known.set(text, digest.join(''))
  return digest.join('')
}
