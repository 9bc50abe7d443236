import type { ResolvedShape } from '../../shapes/resolve-shape.ts'

const CONNECTION_LOST = /^(?:ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|ConnectionClosed)$/

/** Address and secret of an Electric. */
export interface Upstream {
  /** Base URL of Electric, for example `http://electric:3000`. Its own query parameters are kept. */
  readonly electricUrl: string
  /** `ELECTRIC_SECRET` of the engine. */
  readonly secret?: string | undefined
}

/** Builds the engine's URL for a shape; called once per request. */
export type UpstreamUrl = (shape: ResolvedShape, protocol: ReadonlyMap<string, string>) => string

/** A request to Electric. */
export interface UpstreamRequest {
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** The browser's ETag. */
  readonly ifNoneMatch: string | null
  /** A subset as JSON. */
  readonly body?: string
  readonly signal: AbortSignal
}

/**
 * Creates the builders of the engines' URLs: one, or one for each engine that `electricUrl` returns.
 *
 * @throws TypeError when an `electricUrl` is not an http(s) URL or holds a password.
 */
export function createUpstreamUrls<P>({
  electricUrl,
  secret,
}: {
  readonly electricUrl: string | ((principal: P) => Upstream)
  readonly secret?: string | undefined
}): (principal: P) => UpstreamUrl {
  if (typeof electricUrl !== 'function') {
    const only = createUpstreamUrl({ electricUrl, secret })
    return () => only
  }
  const known = new Map<string, UpstreamUrl>()
  return (principal) => {
    const upstream: Upstream | undefined = electricUrl(principal)
    if (upstream === undefined) throw new TypeError('`electricUrl` returned no engine.')
    const key = JSON.stringify([upstream.electricUrl, upstream.secret])
    const upstreamUrl = known.get(key) ?? createUpstreamUrl(upstream)
    known.set(key, upstreamUrl)
    return upstreamUrl
  }
}

function createUpstreamUrl({ electricUrl, secret }: Upstream): UpstreamUrl {
  const { origin, pathname, searchParams } = parseElectricUrl(electricUrl)
  const endpoint = `${origin}${pathname.replace(/\/+$/, '')}/v1/shape`
  if (secret !== undefined) searchParams.set('secret', secret)
  return (shape, protocol) => {
    // A copy apart from the URL: a URL's own parameters re-serialise it on every set.
    const query = new URLSearchParams(searchParams)
    for (const [name, value] of protocol) query.set(name, value)
    const columns = shape.columns.map(electricIdentifier).join(',')
    query.set('table', shape.table.split('.').map(electricIdentifier).join('.'))
    query.set('columns', columns)
    query.set('queryable_columns', columns)
    query.set('where', shape.where)
    shape.params.forEach((value, index) => {
      query.set(`params[${index + 1}]`, value)
    })
    return `${endpoint}?${query}`
  }
}

function parseElectricUrl(electricUrl: string | undefined): URL {
  if (!electricUrl?.trim()) {
    throw new TypeError(
      "`electricUrl` is empty. Set ELECTRIC_URL to Electric's URL; `npx session-db dev` prints one.",
    )
  }
  const url = URL.canParse(electricUrl) ? new URL(electricUrl) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new TypeError(
      '`electricUrl` (ELECTRIC_URL) must be an http or https URL without user and password, such as http://localhost:3000. Pass the secret as `secret`.',
    )
  }
  return url
}

/** Electric folds unquoted names to lower case, as Postgres does, and allows no spaces between them. */
function electricIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}

/** The part of `fetch` that is used here. */
type Send = (href: string, init: RequestInit) => Promise<Response>

/**
 * Sends a request to Electric. The engine closes a pooled connection after 50 requests, so a request
 * can hit a connection that was just closed: reads are idempotent, so it is retried once.
 *
 * @throws what `fetch` throws; an `AbortError` when the client has disconnected.
 */
export async function requestUpstream(send: Send, request: UpstreamRequest): Promise<Response> {
  try {
    return await sendOnce(send, request)
  } catch (error) {
    if (request.signal.aborted || !isConnectionLost(error)) throw error
    return sendOnce(send, request)
  }
}

function sendOnce(send: Send, request: UpstreamRequest): Promise<Response> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  if (request.ifNoneMatch !== null) headers['if-none-match'] = request.ifNoneMatch
  const { method, signal, body } = request
  if (body !== undefined) headers['content-type'] = 'application/json'
  const rest = body === undefined ? {} : { body }
  return send(request.url, { method, headers, signal, redirect: 'manual', ...rest })
}

/** True for a connection that broke, false for one that could not be made. */
function isConnectionLost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && CONNECTION_LOST.test(String(cause.code))) return true
  }
  return false
}

/** Describes an error for the log by name and code. Messages can contain the URL and its secret. */
export function describeError(error: unknown): string {
  const kinds: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    kinds.push('code' in cause ? `${cause.name} ${String(cause.code)}` : cause.name)
  }
  return kinds.join(', caused by ') || typeof error
}
