import { connect } from 'node:tls'
import type { Finding } from '../finding.ts'

/** The app's shape route, as a browser reaches it. */
export interface ProxyTarget {
  /** Base URL, for example `https://app.example/api/shapes`. */
  readonly url: string
  /** Headers of a signed-in user, for example a cookie. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const TIMEOUT_MS = 10_000

/** Checks the app's shape route: authentication, cache headers and connections per browser. */
export async function checkProxy(target: ProxyTarget): Promise<Finding[]> {
  const url = `${target.url.replace(/\/+$/, '')}/sessions?offset=-1`
  const anonymous = await get(url, {})
  if (anonymous instanceof Error) return [unreachable(target, anonymous)]
  return [
    checkAnonymous(anonymous),
    target.headers === undefined ? noHeaders() : checkCacheHeaders(await get(url, target.headers)),
    await checkConnections(target),
  ]
}

function unreachable({ url }: ProxyTarget, error: Error): Finding {
  return {
    check: 'proxy-auth',
    level: 'error',
    message: `no answer from ${new URL(url).host}: ${error.message}`,
    fix: 'Start the app, or correct --proxy-url.',
  }
}

function checkAnonymous({ status }: Response): Finding {
  const check = 'proxy-auth'
  if (status === 401) return { check, level: 'ok', message: 'anonymous requests get 401' }
  return {
    check,
    level: 'error',
    message: `anonymous requests get ${status} instead of 401`,
    fix: 'Pass the route of createShapeProxy as --proxy-url, and let `authenticate` return null for anonymous requests.',
  }
}

function noHeaders(): Finding {
  return {
    check: 'proxy-cache',
    level: 'skipped',
    message: 'pass --header with a user’s cookie or token to check the cache headers',
  }
}

function checkCacheHeaders(answer: Response | Error): Finding {
  const check = 'proxy-cache'
  if (answer instanceof Error)
    return { check, level: 'error', message: answer.message, fix: 'Check the app’s log.' }
  if (!answer.ok && answer.status !== 304) {
    return {
      check,
      level: 'error',
      message: `a shape request with the given headers gets ${answer.status}`,
      fix: 'Check --header and the app’s log.',
    }
  }
  const cache = answer.headers.get('cache-control') ?? ''
  const vary = answer.headers.get('vary') ?? ''
  const isPrivate = /\b(?:private|no-store)\b/i.test(cache) && !/\bpublic\b/i.test(cache)
  const varies = /\bcookie\b|\bauthorization\b|\*/i.test(vary)
  if (isPrivate && varies) return { check, level: 'ok', message: `${cache}; vary: ${vary}` }
  return {
    check,
    level: 'error',
    message: `cache-control: ${cache || 'none'}; vary: ${vary || 'none'}: a cache can show one user’s rows to another`,
    fix: 'Serve shapes through createShapeProxy, and make sure that no proxy in front of the app rewrites these headers.',
  }
}

async function checkConnections({ url }: ProxyTarget): Promise<Finding> {
  const check = 'live-connections'
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'https:') return fewConnections(check, 'HTTP/1.1 without TLS')
  const negotiated = await negotiateProtocol(hostname, Number(port || 443))
  if (negotiated === 'h2') return { check, level: 'ok', message: 'HTTP/2' }
  return fewConnections(check, negotiated instanceof Error ? negotiated.message : 'HTTP/1.1')
}

/** With connection sharing a browser profile needs two of its six connections. */
function fewConnections(check: string, protocol: string): Finding {
  return {
    check,
    level: 'warning',
    message: `${protocol}: a browser opens at most six connections for all tabs together`,
    fix: 'Serve HTTP/2, or make sure that connection sharing in createSessionCollections is not turned off.',
  }
}

function negotiateProtocol(host: string, port: number): Promise<string | false | null | Error> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      servername: host,
      ALPNProtocols: ['h2', 'http/1.1'],
      timeout: TIMEOUT_MS,
      // This only asks for the protocol; `fetch` has verified the certificate.
      rejectUnauthorized: false,
    })
    const end = (result: string | false | null | Error) => {
      socket.destroy()
      resolve(result)
    }
    socket.on('secureConnect', () => end(socket.alpnProtocol))
    socket.on('timeout', () => end(new Error('no TLS within 10 s')))
    socket.on('error', end)
  })
}

async function get(url: string, headers: Record<string, string>): Promise<Response | Error> {
  try {
    const response = await fetch(url, {
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await response.body?.cancel()
    return response
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return cause instanceof Error ? cause : new Error(String(cause))
  }
}
