import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A running balancer. */
export interface Balancer {
  readonly url: string
  stop(): Promise<void>
}

interface BalancerOptions {
  /** Base URLs of the instances. */
  readonly instances: readonly string[]
  /** Default: 3000, or any free one. */
  readonly port: number | undefined
}

interface Target {
  readonly url: string
  isUp: boolean
}

const CHECK_EVERY_MS = 1_000
const REFUSAL = {
  error: { code: 'unavailable', message: 'No server answers. Try again in a moment.' },
}

/**
 * Spreads requests over the instances in turn, like nginx or a cloud's load balancer, so that the
 * demo shows that any instance serves any request. Bodies are streamed both ways. An instance that
 * doesn't answer gets no requests until it does; idempotent requests are retried on another one.
 */
export async function startBalancer({ instances, port }: BalancerOptions): Promise<Balancer> {
  const targets: Target[] = instances.map((url) => ({ url, isUp: true }))
  let next = 0

  function inTurn(): Target[] {
    const start = next++
    const all = targets.map((_, place) => targets[(start + place) % targets.length] as Target)
    const up = all.filter(({ isUp }) => isUp)
    return up.length > 0 ? up : all
  }

  const server = createServer((incoming, outgoing) => {
    const candidates = inTurn()
    pass(incoming, outgoing, isRepeatable(incoming) ? candidates : candidates.slice(0, 1))
  })
  // Long polls may wait; the instances have their own timeouts.
  server.requestTimeout = 0

  const checks = setInterval(() => {
    for (const target of targets) {
      fetch(`${target.url}/api/health/live`, { signal: AbortSignal.timeout(CHECK_EVERY_MS) })
        .then(({ ok }) => ok)
        .catch(() => false)
        .then((isUp) => {
          target.isUp = isUp
        })
    }
  }, CHECK_EVERY_MS)

  await listen(server, port)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      clearInterval(checks)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, targets: Target[]): void {
  const [target, ...others] = targets
  if (target === undefined) {
    outgoing.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' })
    outgoing.end(JSON.stringify(REFUSAL))
    return
  }
  const { connection: _, ...headers } = incoming.headers
  const passed = request(new URL(incoming.url ?? '/', target.url), {
    method: incoming.method,
    // Replaces the client's `x-forwarded-for`, which decides whose sign-in attempts count together.
    headers: { ...headers, 'x-forwarded-for': incoming.socket.remoteAddress },
    // Connections are not reused: one that the instance closes at that moment would look like a
    // failure.
    agent: false,
  })
  passed.once('response', (answer) => {
    const { connection: _, 'keep-alive': __, ...answered } = answer.headers
    outgoing.writeHead(answer.statusCode ?? 502, answered)
    answer.pipe(outgoing)
    // A truncated response must not look complete.
    answer.once('error', () => outgoing.destroy())
  })
  passed.once('error', () => {
    if (outgoing.destroyed) return
    target.isUp = false
    if (outgoing.headersSent) outgoing.destroy()
    else pass(incoming, outgoing, others)
  })
  outgoing.once('close', () => passed.destroy())
  // A request without a body can be sent again.
  if (isRepeatable(incoming)) passed.end()
  else incoming.pipe(passed)
}

function isRepeatable({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD'
}

async function listen(server: ReturnType<typeof createServer>, port: number | undefined) {
  const attempt = (at: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(at, '127.0.0.1', () => resolve())
    })
  try {
    await attempt(port ?? 3000)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (port !== undefined) {
      throw new Error(`Port ${port} is taken. Choose another one with --port.`)
    }
    await attempt(0)
  }
}
