import type { Client } from 'undici'

/** Shorter than what servers wait for a next request, so that a connection is seldom closed under one. */
const KEPT_IDLE_MS = 30_000

/** A connection to an HTTP server, which carries one request at a time. */
export interface Connection {
  readonly client: Client
  /** To be called once the request is over and the connection sound; otherwise destroy the client. */
  release(): void
}

/** Where connections are taken from: those that are idle, or new ones. */
export interface Connections {
  take(origin: string): Connection
}

/**
 * Creates connections that are kept for a while after their request. undici's own pools look through
 * all their connections for each request, and keep an object for each there ever was: with thousands of
 * requests that wait, and clients that come and go, both count.
 *
 * undici is loaded only now: that takes 30 MB, and a server that only writes has no use for it.
 */
export async function createConnections(): Promise<Connections> {
  const { buildConnector, Client } = await import('undici')
  const connect = buildConnector({ allowH2: false })
  const idleAt = new Map<string, Connection[]>()

  function open(origin: string, idle: Connection[]): Connection {
    // A live request waits as long as the server pleases.
    const timeouts = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: KEPT_IDLE_MS }
    const client = new Client(origin, { connect, pipelining: 1, ...timeouts })
    const connection = { client, release: () => void idle.push(connection) }
    client.on('disconnect', () => {
      const place = idle.lastIndexOf(connection)
      if (place >= 0) idle.splice(place, 1)
    })
    return connection
  }

  return {
    take(origin) {
      const idle = idleAt.get(origin) ?? []
      idleAt.set(origin, idle)
      // The last one, so that those which are not needed grow old and close.
      return idle.pop() ?? open(origin, idle)
    },
  }
}
