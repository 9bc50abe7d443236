import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a database over TCP that a test can watch and cut. */
export interface DatabaseRelay {
  /** The database's url, through the relay. */
  readonly url: string
  /** Cuts every connection that is open now. */
  cut(): void
  close(): Promise<void>
}

/**
 * Starts a relay on a free port of 127.0.0.1. When one side of a connection is gone, so is the other.
 *
 * @param pass is called for each connection: carries what either side sends to the other.
 */
export async function startDatabaseRelay(
  databaseUrl: string,
  pass: (client: Socket, upstream: Socket) => void,
): Promise<DatabaseRelay> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    pass(client, upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.port = String((server.address() as AddressInfo).port)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    cut,
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
