import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { SessionDbError } from '../../errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import {
  identifyProcess,
  isPostgresOf,
  isRunning,
  type ProcessIdentity,
  postgresProcessesOf,
  postmasterPidFile,
  readPostmasterPid,
} from './processes.ts'
import type { ServerUser } from './server-user.ts'
import { plainEnvironment } from './supervised-server.ts'

/** A supervisor kills its server after 15 s at the latest. */
const SUPERVISOR_TIMEOUT_MS = 20_000
const SERVER_TIMEOUT_MS = 10_000
const BACKENDS_TIMEOUT_MS = 10_000

/**
 * Stops the server that an ended owner left behind in a data directory, so that a new one can start. Only
 * processes recognised as a Postgres of this directory are stopped.
 *
 * @param options.supervisor the former owner's supervisor, if it is still stopping its server
 * @throws SessionDbError `conflict` with the pid when the server does not stop
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
    await waitUntil(() => !isRunning(supervisor), SUPERVISOR_TIMEOUT_MS)
    if (isRunning(supervisor)) process.kill(supervisor.pid, 'SIGKILL')
  }
  const file = await readPostmasterPid(dataDirectory)
  if (file === undefined) return
  const server = identifyProcess(file.pid)
  if (server !== undefined && isPostgresOf(file.pid, dataDirectory)) {
    log(`stopping Postgres (process ${file.pid}), left over from an earlier run`)
    stopServer(dataDirectory, binaries, user)
    // pg_ctl returns when the pid file is gone, which a server removes a moment before it ends.
    await waitUntil(() => !isRunning(server), SERVER_TIMEOUT_MS)
    if (isRunning(server)) throw stillRunning(dataDirectory, file.pid)
  }
  await waitForBackends(dataDirectory)
  // Otherwise Postgres would take any process that has reused the pid for a running server.
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

/** Backends outlive a killed server for a moment. Starting a server beside them could damage the data. */
async function waitForBackends(dataDirectory: string): Promise<void> {
  await waitUntil(() => postgresProcessesOf(dataDirectory).length === 0, BACKENDS_TIMEOUT_MS)
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
    `Process ${pid}, a Postgres of an earlier run in ${dataDirectory}, does not stop. ` +
      `Run kill -QUIT ${pid}, then start again.`,
    { details: { pid } },
  )
}
