import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy that can be cut and pointed at another server. */
export interface TcpProxy {
  readonly port: number
  /** Port of 127.0.0.1 for new connections. */
  leadTo(port: number): void
  /** Closes all connections and refuses new ones until `heal`. */
  cut(): void
  heal(): void
  close(): Promise<void>
}

/** Pipes both directions of a connection. */
export type Pass = (client: Socket, upstream: Socket) => void

const passAll: Pass = (client, upstream) => {
  client.pipe(upstream)
  upstream.pipe(client)
}

/** Starts a proxy on a free port of 127.0.0.1. When one side of a connection closes, so does the other. */
export async function startTcpProxy(target: number, pass = passAll): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isCut = false
  let port = target
  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    pass(client, upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (next) => {
      port = next
    },
    cut() {
      isCut = true
      end()
    },
    heal: () => {
      isCut = false
    },
    async close() {
      end()
      server.close()
      await once(server, 'close')
    },
  }
}
