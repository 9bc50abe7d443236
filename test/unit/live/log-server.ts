import { PRINCIPAL_HEADER } from '../../../src/live/protocol.ts'
import { answerLiveBatch, isLiveBatch } from '../../../src/live/server/live-batch.ts'
import { principalDigest } from '../../../src/server/proxy/principal-digest.ts'
import { SessionDbError } from '../../../src/writes/errors.ts'
import { type Served, serve } from '../proxy/serve.ts'

/** Logs behind the real batch endpoint and real HTTP. A principal is the `authorization` header. */
export interface LogServer extends Served {
  /** Base URL of the shapes. */
  readonly shapes: string
  /** Appends a line to a shape's log, for every principal. */
  append(shape: string, line: string): void
  /** Open live requests, and their maximum so far. */
  readonly live: { open: number; most: number; batches: number }
  /** Replaces responses to single requests; undefined leaves them. */
  refuse: ((shape: string, principal: string) => Response | undefined) | undefined
  /** Intercepts a batch before it is served. */
  onBatch: ((request: Request) => Response | undefined | Promise<Response | undefined>) | undefined
  /** Breaks every open live connection, as a crash of the server would. */
  breakConnections(): void
}

/** Starts a server whose long polls last `longPollMs`. */
export async function startLogServer({ longPollMs = 20_000 } = {}): Promise<LogServer> {
  const logs = new Map<string, string[]>()
  const waiting = new Set<() => void>()
  const breaks = new Set<() => void>()
  // A Request without references is collected, and then its signal never aborts.
  const held = new Set<Request>()
  let cursor = 0
  const live = { open: 0, most: 0, batches: 0 }

  // `user1;admin`: the roles follow the user.
  const principalOf = (authorization: string) => {
    const [userId = '', roles = ''] = authorization.split(';')
    return { tenantId: 't', userId, roles }
  }
  const digestOf = principalDigest<ReturnType<typeof principalOf>>(({ roles }) => roles)

  async function serveShape(request: Request): Promise<Response> {
    const principal = request.headers.get('authorization') ?? ''
    if (!principal.startsWith('user')) return new Response('no', { status: 401 })
    const url = new URL(request.url)
    const shape = url.pathname.split('/').at(-1) ?? ''
    const refused = server.refuse?.(shape, principal)
    if (refused !== undefined) return refused
    const from = Number(url.searchParams.get('offset')?.split('_')[0] ?? 0)
    const log = () => logs.get(shape) ?? []
    const until = performance.now() + longPollMs
    while (log().length <= from && performance.now() < until && !request.signal.aborted) {
      await pause(until - performance.now(), request.signal)
    }
    cursor += 1
    return Response.json(log().slice(from), {
      headers: {
        'electric-handle': `${shape}-1`,
        'electric-offset': `${log().length}_0`,
        'electric-cursor': String(cursor),
        'electric-up-to-date': '',
        [PRINCIPAL_HEADER]: await digestOf(principalOf(principal)),
      },
    })
  }

  function pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }

  async function serveBatch(request: Request): Promise<Response> {
    const { response } = await answerLiveBatch(request, {
      identify: async ({ headers }) => {
        const authorization = headers.get('authorization') ?? ''
        if (authorization.startsWith('user')) {
          return { digest: await digestOf(principalOf(authorization)), serveShape }
        }
        throw new SessionDbError('unauthenticated', 'Sign in.')
      },
    })
    return response
  }

  const served = await serve(async (request) => {
    const isLive = isLiveBatch(request) || request.url.includes('live=true')
    if (!isLive) return serveShape(request)
    if (isLiveBatch(request)) live.batches += 1
    live.open += 1
    live.most = Math.max(live.most, live.open)
    const over = new AbortController()
    const stop = () => over.abort()
    held.add(request)
    const done = () => {
      if (!breaks.delete(stop)) return
      held.delete(request)
      live.open -= 1
    }
    breaks.add(stop)
    request.signal.addEventListener('abort', () => {
      over.abort()
      done()
    })
    const signalled = new Request(request, { signal: over.signal })
    const own = isLiveBatch(request) ? await server.onBatch?.(signalled) : undefined
    const answer = own ?? (await (isLiveBatch(request) ? serveBatch : serveShape)(signalled))
    if (answer.body === null) done()
    return new Response(answer.body?.pipeThrough(whenDone(done)), answer)
  })

  const server: LogServer = {
    ...served,
    shapes: `${served.url}/shapes`,
    live,
    refuse: undefined,
    onBatch: undefined,
    append(shape, line) {
      logs.set(shape, [...(logs.get(shape) ?? []), line])
      for (const wake of [...waiting]) wake()
    },
    breakConnections() {
      for (const stop of [...breaks]) stop()
    },
  }
  return server
}

function whenDone(done: () => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({ flush: done })
}
