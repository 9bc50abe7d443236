import { type Pass, startTcpProxy } from './tcp-proxy.ts'

/** A TCP relay to a database that a test can watch and cut. */
export interface DatabaseRelay {
  /** The database's URL through the relay. */
  readonly url: string
  /** Closes all open connections. */
  cut(): void
  close(): Promise<void>
}

/**
 * Starts a relay to a local database on a free port of 127.0.0.1.
 *
 * @param pass called for each connection
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
