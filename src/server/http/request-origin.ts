import { SessionDbError } from '../../writes/errors.ts'

/**
 * Refuses requests that a page of another site sends with this user's cookies. Browsers send the origin
 * in `Sec-Fetch-Site`, or at least in `Origin`. Other clients send neither and are accepted.
 *
 * @param allowedOrigins Accepted origins besides the app's own, such as `https://app.example`.
 * @throws SessionDbError `forbidden`.
 */
export function requireOwnOrigin(request: Request, allowedOrigins: readonly string[]): void {
  const origin = request.headers.get('origin')
  if (origin !== null && allowedOrigins.includes(origin)) return
  const site = request.headers.get('sec-fetch-site')
  const own = site === null ? isOwnHost(origin, request) : site === 'same-origin' || site === 'none'
  if (own) return
  throw new SessionDbError(
    'forbidden',
    'This request comes from another origin. Add that origin to allowedOrigins if it may write.',
  )
}

function isOwnHost(origin: string | null, request: Request): boolean {
  if (origin === null) return true
  const host = request.headers.get('host') ?? new URL(request.url).host
  return URL.canParse(origin) && new URL(origin).host === host
}
