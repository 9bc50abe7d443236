import { type Pass, startTcpProxy } from './tcp-proxy.ts'

/** A way to a database over TCP that a test can watch and cut. */
export interface DatabaseRelay {
  /** The database's url, through the relay. */
  readonly url: string
  /** Cuts every connection that is open now. */
  cut(): void
  close(): Promise<void>
}

/**
 * Starts a relay on a free port of 127.0.0.1, to a database there.
 *
 * @param pass is called for each connection.
 */
export async function startDatabaseRelay(databaseUrl: string, pass: Pass): Promise<DatabaseRelay> {
  const url = new URL(databaseUrl)
  const proxy = await startTcpProxy(Number(url.port), pass)
  url.port = String(proxy.port)
  return {
    url: url.href,
    cut() {
      proxy.cut()
      proxy.heal()
    },
    close: proxy.close,
  }
}
