import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SessionDbError } from '../../errors.ts'
import { choosePort } from '../free-port.ts'
import type { PostgresBinaries } from './binaries.ts'
import type { ServerUser } from './server-user.ts'
import { type SupervisedServer, spawnSupervised } from './supervised-server.ts'

const readyLimitMs = 60_000
const portAttempts = 3

export type LaunchedServer = { readonly server: SupervisedServer; readonly port: number }

/**
 * Starts the server of an initialised cluster and waits until it accepts connections.
 * Takes another port when somebody grabs a freely chosen one first.
 *
 * @param options.port - A port to insist on, and one to prefer.
 * @param options.onSpawn - Told the supervisor's pid before Postgres is ready.
 * @throws SessionDbError `unavailable` with the end of Postgres' log.
 */
export async function launchServer(options: {
  binaries: PostgresBinaries
  user: ServerUser
  serverDirectory: string
  settings: Readonly<Record<string, string>>
  port: { fixed: number | undefined; remembered: number | undefined }
  onSpawn: (supervisorPid: number) => Promise<void>
}): Promise<LaunchedServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(options.port)
    const server = spawnSupervised({
      binaries: options.binaries,
      user: options.user,
      dataDirectory: join(options.serverDirectory, 'data'),
      logFile: join(options.serverDirectory, 'server.log'),
      settings: { ...options.settings, port: String(port) },
    })
    try {
      await options.onSpawn(server.supervisorPid)
      await waitUntilReady(server)
      return { server, port }
    } catch (error) {
      await server.stop()
      const lostPort = server.log().includes('could not bind') && options.port.fixed === undefined
      if (!lostPort || attempt === portAttempts) throw error
    }
  }
}

/** The error for a server that is not running, with what Postgres said last. */
export function serverFailure(what: string, server: SupervisedServer): SessionDbError {
  return new SessionDbError(
    'unavailable',
    `Postgres ${what}. The end of its log (${server.logFile}):\n${server.log()}`,
  )
}

async function waitUntilReady(server: SupervisedServer): Promise<void> {
  let ended = false
  void server.exited.then(() => {
    ended = true
  })
  const deadline = Date.now() + readyLimitMs
  while (!(await server.isReady())) {
    if (ended) throw serverFailure('did not start', server)
    if (Date.now() > deadline) {
      throw serverFailure(`was not ready after ${readyLimitMs / 1000} s`, server)
    }
    await delay(20)
  }
}
