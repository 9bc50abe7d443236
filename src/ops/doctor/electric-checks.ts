import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Finding } from '../finding.ts'

interface ElectricTarget {
  /** Electric's base URL, without `/v1/shape`. */
  readonly url: string
  /** Electric's `ELECTRIC_SECRET`. */
  readonly secret?: string | undefined
  /** True for the shape server of `session-db dev`, which needs no secret. */
  readonly isDevelopment?: boolean
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

const TIMEOUT_MS = 5_000
const MAX_BODY_LENGTH = 64 * 1024

/** The first version whose secret protects every path (GHSA-m4f6-p2j8-rq76). */
const OLDEST_SAFE = [1, 7, 12] as const
const BYPASSES = ['/v1/shape/', '/v1//shape', '/v1/%73hape']
// Shows whether the secret is required, without creating a shape of a real table.
const PROBE = '?table=session_db_doctor_probe&offset=-1'

/** Checks that Electric is up, is recent enough, and requires its secret on every path. */
export async function checkElectric(target: ElectricTarget): Promise<Finding[]> {
  if (!/^https?:/.test(URL.canParse(target.url) ? target.url : '')) {
    return [
      {
        check: 'electric-health',
        level: 'error',
        message: `ELECTRIC_URL is ${target.url.trim() === '' ? 'empty' : 'not an http or https URL'}`,
        fix: 'Set it to Electric’s base URL, for example http://localhost:3000; `npx session-db dev` prints one.',
      },
    ]
  }
  const health = await ask(target, '/v1/health')
  if (health instanceof Error) return [unreachable(target, health)]
  const isOpen = target.isDevelopment === true && target.secret === undefined
  return [
    checkHealth(target, health),
    checkVersion(health),
    ...(isOpen ? [] : [await checkSecret(target), await checkBypasses(target)]),
  ]
}

/** Requests Electric's health. Resolves with an error when there is no answer. */
export function askHealth(target: ElectricTarget): Promise<{ readonly status: number } | Error> {
  return ask(target, '/v1/health')
}

function unreachable({ url }: ElectricTarget, error: Error): Finding {
  const { host } = new URL(url)
  return {
    check: 'electric-health',
    level: 'error',
    message: `no answer from ${host}: ${reasonOf(error)}`,
    fix: 'Start Electric, or correct ELECTRIC_URL.',
  }
}

function reasonOf(error: Error): string {
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}

function checkHealth({ url }: ElectricTarget, { status, body }: Answer): Finding {
  const check = 'electric-health'
  if (status === 200) return { check, level: 'ok', message: 'active' }
  if (status !== 202 && status < 500) {
    return {
      check,
      level: 'error',
      message: `${new URL(url).host} answers ${status} to /v1/health, so it is not Electric`,
      fix: 'Correct ELECTRIC_URL: it is Electric’s base URL, without /v1/shape, and no proxy that asks for a sign-in.',
    }
  }
  return {
    check,
    level: 'error',
    message: `/v1/health answers ${status}${status === 202 ? ' (waiting or starting, not ready)' : ''}: ${body.slice(0, 200)}`,
    fix: 'Read Electric’s log. It becomes ready once it holds its lock and its slot: make sure that no other instance uses this stream id.',
  }
}

function checkVersion({ headers }: Answer): Finding {
  const check = 'electric-version'
  const server = String(headers['electric-server'] ?? '')
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(server)
  if (found === null) {
    return {
      check,
      level: 'warning',
      message: server === '' ? 'no version in the response' : `unknown version ${server}`,
      fix: 'Check the image tag: it must be 1.7.12 or newer.',
    }
  }
  const version = found.slice(1).map(Number)
  if (compare(version, OLDEST_SAFE) >= 0) return { check, level: 'ok', message: found[0] }
  return {
    check,
    level: 'error',
    message: `${found[0]} answers some paths without its secret (GHSA-m4f6-p2j8-rq76)`,
    fix: 'Upgrade Electric to 1.7.12 or newer.',
  }
}

function compare(one: readonly number[], other: readonly number[]): number {
  const index = one.findIndex((part, at) => part !== other[at])
  return index < 0 ? 0 : (one[index] ?? 0) - (other[index] ?? 0)
}

async function checkSecret(target: ElectricTarget): Promise<Finding> {
  const check = 'electric-secret'
  const without = await ask(target, `/v1/shape${PROBE}`)
  if (without instanceof Error) return failedProbe(check, without)
  if (without.status !== 401) {
    return {
      check,
      level: 'error',
      message: `/v1/shape answers ${without.status} without a secret: everyone who reaches Electric can read every row`,
      fix: 'Set ELECTRIC_SECRET on Electric and on the app, and do not set ELECTRIC_INSECURE.',
    }
  }
  if (target.secret === undefined) {
    return {
      check,
      level: 'error',
      message: 'Electric requires a secret, but ELECTRIC_SECRET is not set here',
      fix: 'Set ELECTRIC_SECRET to Electric’s own value.',
    }
  }
  const secret = encodeURIComponent(target.secret)
  const withIt = await ask(target, `/v1/shape${PROBE}&secret=${secret}`)
  if (withIt instanceof Error) return failedProbe(check, withIt)
  if (withIt.status !== 401) return { check, level: 'ok', message: 'required, and accepted' }
  return {
    check,
    level: 'error',
    message: 'Electric refuses this secret',
    fix: 'Set ELECTRIC_SECRET to Electric’s own value.',
  }
}

async function checkBypasses(target: ElectricTarget): Promise<Finding> {
  const check = 'electric-auth-bypass'
  const open: string[] = []
  for (const path of BYPASSES) {
    const answer = await ask(target, `${path}${PROBE}`)
    if (answer instanceof Error) return failedProbe(check, answer)
    if (answer.status !== 401 && answer.status !== 404) open.push(`${path} (${answer.status})`)
  }
  if (open.length === 0) return { check, level: 'ok', message: 'no path gets around the secret' }
  return {
    check,
    level: 'error',
    message: `answered without the secret: ${open.join(', ')}`,
    fix: 'Upgrade Electric to 1.7.12 or newer, and make it reachable for the app only.',
  }
}

function failedProbe(check: string, error: Error): Finding {
  return {
    check,
    level: 'error',
    message: `no answer: ${reasonOf(error)}`,
    fix: 'Read Electric’s log.',
  }
}

/** Sends a request without `fetch`, which would normalize the paths under test. */
function ask({ url }: ElectricTarget, pathAndQuery: string): Promise<Answer | Error> {
  const { protocol, hostname, port, pathname } = new URL(url)
  const base = pathname.replace(/\/+$/, '')
  const send = protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve) => {
    const request = send({
      protocol,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      path: `${base}${pathAndQuery}`,
      timeout: TIMEOUT_MS,
      agent: false,
    })
    request.on('timeout', () => request.destroy(new Error(`nothing within ${TIMEOUT_MS} ms`)))
    request.on('error', resolve)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (body.length < MAX_BODY_LENGTH) body += chunk
      })
      response.on('error', resolve)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      )
    })
    request.end()
  })
}
