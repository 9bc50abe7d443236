import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Principal } from '@org/session-db'
import { type DemoUser, findDemoUser } from '#/lib/demo-users'

/** Name of the cookie that says who is signed in: `<user id>.<expiry>.<signature>`. */
export const SIGN_IN_COOKIE = 'start-app-user'
/** How long a sign-in lasts, in seconds. */
export const SIGN_IN_SECONDS = 7 * 24 * 60 * 60

function sign(payload: string): string {
  const secret = process.env.COOKIE_SECRET
  if (!secret) throw new Error('COOKIE_SECRET is not set: any long random text will do.')
  return createHmac('sha256', secret).update(payload).digest('base64url')
}

/** The cookie's value for a user who has just signed in. */
export function issueSignIn(user: DemoUser): string {
  const payload = `${user.id}.${Math.floor(Date.now() / 1000) + SIGN_IN_SECONDS}`
  return `${payload}.${sign(payload)}`
}

/** Reads a cookie's value; nobody when it is forged, altered, expired or names no user. */
export function verifySignIn(value: string | undefined): DemoUser | undefined {
  const [id, expires, signature] = value?.split('.') ?? []
  if (id === undefined || expires === undefined || signature === undefined) return undefined
  const given = Buffer.from(signature)
  const expected = Buffer.from(sign(`${id}.${expires}`))
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  return Number(expires) * 1000 > Date.now() ? findDemoUser(id) : undefined
}

/** Who sends a request: what the library's `authenticate` options want. */
export function authenticate(request: Request): Principal | undefined {
  const pair = (request.headers.get('cookie') ?? '')
    .split('; ')
    .find((cookie) => cookie.startsWith(`${SIGN_IN_COOKIE}=`))
  const user = verifySignIn(pair?.slice(SIGN_IN_COOKIE.length + 1))
  return user && { tenantId: user.tenantId, userId: user.id }
}
