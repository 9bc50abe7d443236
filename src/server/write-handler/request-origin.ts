import { SessionDbError } from '../../writes/errors.ts'

/**
 * Refuses a request that another site's page makes with this user's cookies. Browsers say where a
 * request comes from, in `Sec-Fetch-Site` or at least in `Origin`; other clients send neither.
 *
 * @param allowedOrigins origins that may write besides the app's own, such as `https://app.example`.
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
    'This request comes from another origin. List it in allowedOrigins if it may write.',
  )
}

function isOwnHost(origin: string | null, request: Request): boolean {
  if (origin === null) return true
  const host = request.headers.get('host') ?? new URL(request.url).host
  return URL.canParse(origin) && new URL(origin).host === host
}
