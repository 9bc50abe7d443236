import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Identifies a process, even if its pid is reused later. */
export type ProcessIdentity = {
  readonly pid: number
  /** Start time in the system's own format; only compared for equality. */
  readonly startedAt: string
}

/** Returns the identity of a running process; undefined if there is none (zombies don't count). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!canSignal(pid)) return undefined
  const startedAt = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

/** Returns whether exactly this process is still running. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt
}

/** Returns whether a process is a Postgres working in a data directory (an absolute real path). */
export function isPostgresOf(pid: number, dataDirectory: string): boolean {
  if (process.platform === 'win32') return canSignal(pid)
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

/** Lists the Postgres processes working in a data directory. Empty on systems without `/proc`. */
export function postgresProcessesOf(dataDirectory: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isPostgresOf(pid, dataDirectory))
}

/** Returns the path of the file in which a Postgres server records its pid. */
export function postmasterPidFile(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid')
}

/** Reads `postmaster.pid`; undefined if there is none. */
export async function readPostmasterPid(
  dataDirectory: string,
): Promise<{ readonly pid: number; readonly status: string } | undefined> {
  const text = await readFile(postmasterPidFile(dataDirectory), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number(lines[0])
  return pid > 0 ? { pid, status: lines[7]?.trim() ?? '' } : undefined
}

function canSignal(pid: number): boolean {
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
    // The command name, in parentheses, can itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state] = fields
    if (state === 'Z' || state === 'X') return undefined
    // The start time counts from the last boot, so the boot is part of the identity.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`
  } catch {
    return undefined
  }
}

function startFromPs(pid: number): string | undefined {
  // Windows has no ps; the pid has to suffice.
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
