import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { SessionDbError } from '../../errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import { postmasterPidFile, readPostmasterPid } from './postmaster-pid.ts'
import {
  identifyProcess,
  isPostgresOf,
  isRunning,
  type ProcessIdentity,
  postgresProcessesOf,
} from './process-identity.ts'
import type { ServerUser } from './server-user.ts'
import { plainEnvironment } from './supervised-server.ts'

/** A supervisor needs at most 15 s for all three ways of stopping. */
const supervisorLimitMs = 20_000
const serverEndLimitMs = 10_000
const backendsLimitMs = 10_000

/**
 * Ends whatever still works in a data directory whose owner is gone, so that a new server can start
 * there. Never touches a process that it has not recognised as a Postgres of this very directory.
 *
 * @param options.supervisor - The dead owner's supervisor, if it is still stopping its server.
 * @throws SessionDbError `conflict` naming the pid when the server does not stop.
 */
export async function stopLeftoverServer(options: {
  dataDirectory: string
  binaries: PostgresBinaries
  user: ServerUser
  supervisor: ProcessIdentity | undefined
  log: (message: string) => void
}): Promise<void> {
  const { dataDirectory, binaries, user, supervisor, log } = options
  if (supervisor !== undefined) {
    log('waiting for the Postgres of an earlier run to stop')
    await waitUntil(() => !isRunning(supervisor), supervisorLimitMs)
    if (isRunning(supervisor)) process.kill(supervisor.pid, 'SIGKILL')
  }
  const file = await readPostmasterPid(dataDirectory)
  if (file === undefined) return
  const server = identifyProcess(file.pid)
  if (server !== undefined && isPostgresOf(file.pid, dataDirectory)) {
    log(`stopping Postgres (process ${file.pid}), left over from an earlier run`)
    stopServer(dataDirectory, binaries, user)
    // pg_ctl waits for the pid file to go, which a server removes a moment before it ends.
    await waitUntil(() => !isRunning(server), serverEndLimitMs)
    if (isRunning(server)) throw stillRunning(dataDirectory, file.pid)
  }
  await waitForBackends(dataDirectory)
  // Postgres takes any living process with the recorded pid for its own predecessor.
  await rm(postmasterPidFile(dataDirectory), { force: true })
}

function stopServer(dataDirectory: string, { pgCtl }: PostgresBinaries, user: ServerUser): void {
  for (const [mode, seconds] of [
    ['fast', '15'],
    ['immediate', '10'],
  ] as const) {
    const { status } = spawnSync(
      pgCtl,
      [
        'stop',
        '--pgdata',
        dataDirectory,
        '--mode',
        mode,
        '--wait',
        '--timeout',
        seconds,
        '--silent',
      ],
      { ...user, cwd: '/', env: plainEnvironment(), stdio: 'ignore' },
    )
    if (status === 0) return
  }
}

/** Backends outlive a killed server for a moment; starting beside them could damage the data. */
async function waitForBackends(dataDirectory: string): Promise<void> {
  await waitUntil(() => postgresProcessesOf(dataDirectory).length === 0, backendsLimitMs)
  const [pid] = postgresProcessesOf(dataDirectory)
  if (pid !== undefined) throw stillRunning(dataDirectory, pid)
}

async function waitUntil(condition: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!condition() && Date.now() < deadline) await delay(50)
}

function stillRunning(dataDirectory: string, pid: number): SessionDbError {
  return new SessionDbError(
    'conflict',
    `Process ${pid}, a Postgres left over in ${dataDirectory}, does not stop. ` +
      `End it (kill -QUIT ${pid}), then start again.`,
    { details: { pid } },
  )
}
