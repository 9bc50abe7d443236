import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request to the engine. */
export interface Relayed {
  readonly query: URLSearchParams
  /** Resolves once the request is over: answered completely, or aborted by the client. */
  readonly over: Promise<'answered' | 'given up'>
}

/** A relay between proxy and engine that records requests. */
export interface Relay {
  readonly url: string
  /** Resolves with the next request that matches `isWanted`, counted from the last `forget`. */
  seen(isWanted: (query: URLSearchParams) => boolean): Promise<Relayed>
  forget(): void
  /** Closes every connection and refuses new ones. */
  close(): Promise<void>
}

/** Starts a relay to the engine on a free port of 127.0.0.1. */
export async function startRelay(engineUrl: string): Promise<Relay> {
  let relayed: Relayed[] = []
  const waiting = new Set<(request: Relayed) => void>()
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', engineUrl)
    const seen = { query: url.searchParams, over: pass(url, incoming, outgoing) }
    relayed.push(seen)
    for (const look of waiting) look(seen)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forget: () => {
      relayed = []
    },
    async seen(isWanted) {
      const found = relayed.find(({ query }) => isWanted(query))
      if (found !== undefined) return found
      return await new Promise((resolve) => {
        const look = (candidate: Relayed) => {
          if (!isWanted(candidate.query)) return
          waiting.delete(look)
          resolve(candidate)
        }
        waiting.add(look)
      })
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function pass(
  url: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<'answered' | 'given up'> {
  const { method, headers } = incoming
  const upstream = request(url, { method, headers: { ...headers, host: url.host } }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  incoming.pipe(upstream)
  upstream.on('error', () => outgoing.destroy())
  return new Promise((resolve) => {
    outgoing.on('close', () => {
      upstream.destroy()
      resolve(outgoing.writableFinished ? 'answered' : 'given up')
    })
  })
}
