import { connect } from 'node:tls'
import type { Finding } from '../finding.ts'

/** The app's own shape route, as a browser reaches it. */
export interface ProxyTarget {
  /** Its base URL, for example `https://app.example/api/shapes`. */
  readonly url: string
  /** Headers of somebody signed in, for example a cookie. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const TIMEOUT_MS = 10_000

/** Whether the app's shape route keeps strangers out, its answers out of caches, and its polls few. */
export async function checkProxy(target: ProxyTarget): Promise<Finding[]> {
  const url = `${target.url.replace(/\/+$/, '')}/sessions?offset=-1`
  const stranger = await get(url, {})
  if (stranger instanceof Error) return [unreachable(target, stranger)]
  return [
    checkStranger(stranger),
    target.headers === undefined ? noHeaders() : checkCacheHeaders(await get(url, target.headers)),
    await checkConnections(target),
  ]
}

function unreachable({ url }: ProxyTarget, error: Error): Finding {
  return {
    check: 'proxy-auth',
    level: 'error',
    message: `no answer from ${new URL(url).host}: ${error.message}`,
    fix: 'Start the app, or correct the URL of its shape route.',
  }
}

function checkStranger({ status }: Response): Finding {
  const check = 'proxy-auth'
  if (status === 401) return { check, level: 'ok', message: 'nobody gets 401' }
  return {
    check,
    level: 'error',
    message: `somebody who is not signed in gets ${status}`,
    fix: 'The URL must be the route of createShapeProxy, and its authenticate must refuse strangers.',
  }
}

function noHeaders(): Finding {
  return {
    check: 'proxy-cache',
    level: 'skipped',
    message: 'pass --header with what signs a user in, to look at the cache headers',
  }
}

function checkCacheHeaders(answer: Response | Error): Finding {
  const check = 'proxy-cache'
  if (answer instanceof Error)
    return { check, level: 'error', message: answer.message, fix: 'Run it again.' }
  if (!answer.ok && answer.status !== 304) {
    return {
      check,
      level: 'error',
      message: `a shape is answered with ${answer.status}, signed in as told`,
      fix: 'Check the header, and the app’s log.',
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
    message: `cache-control: ${cache || 'none'}; vary: ${vary || 'none'}: one user’s rows could be shown to another`,
    fix: 'Serve shapes through createShapeProxy, and let no proxy before the app rewrite these headers.',
  }
}

async function checkConnections({ url }: ProxyTarget): Promise<Finding> {
  const check = 'live-connections'
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'https:') return sharing(check, 'HTTP/1.1 without TLS')
  const spoken = await negotiated(hostname, Number(port || 443))
  if (spoken === 'h2') return { check, level: 'ok', message: 'HTTP/2' }
  return sharing(check, spoken instanceof Error ? spoken.message : 'HTTP/1.1')
}

/** Six connections are enough for the two that a browser profile keeps when they are shared. */
function sharing(check: string, spoken: string): Finding {
  return {
    check,
    level: 'warning',
    message: `${spoken}: a browser gives a whole profile six connections`,
    fix: 'Serve HTTP/2, or keep connection sharing on in createSessionCollections (it is, unless turned off).',
  }
}

function negotiated(host: string, port: number): Promise<string | false | null | Error> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      servername: host,
      ALPNProtocols: ['h2', 'http/1.1'],
      timeout: TIMEOUT_MS,
      // Only what is spoken matters here; `fetch` has looked at the certificate.
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
