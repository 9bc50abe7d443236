import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** A process that can be told from a later one with the same pid. */
export type ProcessIdentity = {
  readonly pid: number
  /** When the process began, in whatever form the system gives; only compared for equality. */
  readonly startedAt: string
}

/**
 * Names a running process so that a pid reused later is not mistaken for it.
 *
 * @param pid - The process to name.
 * @returns Its identity, or `undefined` when no such process is running (a zombie is not running).
 *
 * @example
 * const owner = identifyProcess(process.pid)
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!signalReaches(pid)) return undefined
  const startedAt = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

/** Whether exactly this process is still running. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt
}

/** Whether `pid` is a Postgres server process working in `dataDirectory` (an absolute real path). */
export function isPostgresOf(pid: number, dataDirectory: string): boolean {
  if (process.platform === 'win32') return signalReaches(pid)
  if (process.platform !== 'linux') {
    const command = psField(pid, 'command') ?? ''
    return command.includes('postgres') && command.includes(dataDirectory)
  }
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === dataDirectory &&
      basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')) === 'postgres'
    )
  } catch {
    return false
  }
}

/**
 * Lists the Postgres processes (server and backends) working in a data directory.
 * Empty where the system has no `/proc`.
 */
export function postgresProcessesOf(dataDirectory: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isPostgresOf(pid, dataDirectory))
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name, in parentheses, may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state] = fields
    if (state === 'Z' || state === 'X') return undefined
    // Ticks count from the last boot, so the boot belongs to the identity.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`
  } catch {
    return undefined
  }
}

function startFromPs(pid: number): string | undefined {
  // Windows has no ps; there a pid alone has to do.
  return process.platform === 'win32' ? 'unknown' : psField(pid, 'lstart')
}

function psField(pid: number, field: 'lstart' | 'command'): string | undefined {
  try {
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}
