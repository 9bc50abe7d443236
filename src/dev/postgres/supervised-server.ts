import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import type { Socket } from 'node:net'
import { parse } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SessionDbError } from '../../errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import { readPostmasterPid } from './postmaster-pid.ts'
import { isPostgresOf } from './process-identity.ts'
import type { ServerUser } from './server-user.ts'

const logLimitBytes = 10 * 1024 * 1024
const logTailLines = 12
/** The supervisor needs at most 15 s for all three ways of stopping. */
const stopLimitMs = 20_000

export type SupervisedServer = {
  readonly logFile: string
  /** The supervisor's pid; it outlives Postgres, never the other way round. */
  readonly supervisorPid: number
  /** Resolves once Postgres and its supervisor are gone. */
  readonly exited: Promise<void>
  /** Whether Postgres accepts connections now. */
  isReady(): Promise<boolean>
  /** The last lines Postgres logged since this start. */
  log(): string
  /** Stops Postgres (fast, later harder) and resolves once it is gone; rejects after 20 s. */
  stop(): Promise<void>
}

/** Starts Postgres below a detached supervisor that stops it when this process goes away. */
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
  // A program that forgets to stop its Postgres should still end, and Postgres with it.
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
      if (await settlesWithin(exited, stopLimitMs)) return
      supervisor.unref()
      throw new SessionDbError(
        'unavailable',
        `Postgres in ${dataDirectory} did not stop within ${stopLimitMs / 1000} s ` +
          `(supervisor: process ${supervisor.pid}). The next start on that directory ends it.`,
      )
    },
  }
}

/** The environment for Postgres programs: nothing of the caller's that could change what they do. */
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
  // A crashed server leaves its file behind, still saying "ready".
  return file?.status === 'ready' && isPostgresOf(file.pid, dataDirectory)
}

function openLog(logFile: string): { log: number; logStart: number } {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  if (size > logLimitBytes) truncateSync(logFile)
  return { log: openSync(logFile, 'a', 0o600), logStart: size > logLimitBytes ? 0 : size }
}

function logTail(logFile: string, start: number): string {
  const lines = readFileSync(logFile).subarray(start).toString().trimEnd().split('\n')
  return lines.slice(-logTailLines).join('\n')
}

function supervisorFile(): string {
  const name = import.meta.url.endsWith('.ts') ? './supervisor.ts' : './postgres-supervisor.js'
  return fileURLToPath(new URL(name, import.meta.url))
}
