import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import type { Socket } from 'node:net'
import { parse } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SessionDbError } from '../../errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import { isPostgresOf, readPostmasterPid } from './processes.ts'
import type { ServerUser } from './server-user.ts'

const MAX_LOG_BYTES = 10 * 1024 * 1024
const LOG_TAIL_LINES = 12
/** The supervisor kills Postgres after 15 s at the latest. */
const STOP_TIMEOUT_MS = 20_000

export type SupervisedServer = {
  readonly logFile: string
  /** Pid of the supervisor, which ends after Postgres. */
  readonly supervisorPid: number
  /** Resolves once Postgres and its supervisor have ended. */
  readonly exited: Promise<void>
  /** Resolves with whether Postgres accepts connections. */
  isReady(): Promise<boolean>
  /** Returns the last lines that Postgres has logged since this start. */
  log(): string
  /** Stops Postgres, by force if needed, and resolves once it has ended; rejects after 20 s. */
  stop(): Promise<void>
}

/** Starts Postgres under a detached supervisor, which stops it when this process ends. */
export function spawnSupervised(options: {
  binaries: PostgresBinaries
  user: ServerUser
  dataDirectory: string
  logFile: string
  settings: Readonly<Record<string, string>>
}): SupervisedServer {
  const { binaries, user, dataDirectory, logFile } = options
  const flags = Object.entries(options.settings).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const command = JSON.stringify({
    postgres: binaries.postgres,
    args: ['-D', dataDirectory, ...flags],
    user,
    cwd: parse(dataDirectory).root,
  })
  const { log, logStart } = openLog(logFile)
  const supervisor = spawn(process.execPath, [supervisorFile(), command], {
    detached: true,
    cwd: parse(dataDirectory).root,
    env: plainEnvironment(),
    stdio: ['pipe', log, log],
  })
  closeSync(log)
  const exited = new Promise<void>((resolve) => {
    supervisor.once('exit', () => resolve())
    supervisor.once('error', () => resolve())
  })
  // A program that doesn't call stop() still ends, and Postgres with it.
  supervisor.unref()
  const lifeline = supervisor.stdin as Socket
  lifeline.unref()
  lifeline.on('error', () => {})
  return {
    logFile,
    supervisorPid: supervisor.pid ?? -1,
    exited,
    isReady: () => isReady(dataDirectory),
    log: () => logTail(logFile, logStart),
    stop: async () => {
      supervisor.ref()
      lifeline.destroy()
      if (await settlesWithin(exited, STOP_TIMEOUT_MS)) return
      supervisor.unref()
      throw new SessionDbError(
        'unavailable',
        `Postgres in ${dataDirectory} did not stop within ${STOP_TIMEOUT_MS / 1000} s ` +
          `(supervisor: process ${supervisor.pid}). The next start in that directory stops it.`,
      )
    },
  }
}

/** Returns an environment for Postgres's programs, without variables that could affect them. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env
  return { PATH, ...(SystemRoot !== undefined && { SystemRoot }), LC_ALL: 'C', TZ: 'UTC' }
}

async function settlesWithin(promise: Promise<void>, limitMs: number): Promise<boolean> {
  const timer = new AbortController()
  const late = delay(limitMs, false, { signal: timer.signal }).catch(() => false)
  const inTime = await Promise.race([promise.then(() => true), late])
  timer.abort()
  return inTime
}

async function isReady(dataDirectory: string): Promise<boolean> {
  const file = await readPostmasterPid(dataDirectory)
  // A crashed server leaves its file behind with the status "ready".
  return file?.status === 'ready' && isPostgresOf(file.pid, dataDirectory)
}

function openLog(logFile: string): { log: number; logStart: number } {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  if (size > MAX_LOG_BYTES) truncateSync(logFile)
  return { log: openSync(logFile, 'a', 0o600), logStart: size > MAX_LOG_BYTES ? 0 : size }
}

function logTail(logFile: string, start: number): string {
  const lines = readFileSync(logFile).subarray(start).toString().trimEnd().split('\n')
  return lines.slice(-LOG_TAIL_LINES).join('\n')
}

function supervisorFile(): string {
  const name = import.meta.url.endsWith('.ts') ? './supervisor.ts' : './postgres-supervisor.js'
  return fileURLToPath(new URL(name, import.meta.url))
}
