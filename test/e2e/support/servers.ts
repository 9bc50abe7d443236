import { readdirSync, readFileSync } from 'node:fs'
import type { Demo } from './demo.ts'

/** Returns the processes that serve the app now, restarted ones included. */
function serverPids(demo: Demo): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === demo.process.pid && commandOf(pid).includes('serve.ts'))
}

/** Kills all servers of the app with SIGKILL; the demo restarts them. */
export function killServers(demo: Demo): void {
  const pids = serverPids(demo)
  if (pids.length !== demo.instances.length)
    throw new Error(`expected ${demo.instances.length} servers, found ${pids.length}`)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
}

/** Counts the open TCP connections to the servers and the balancer. */
export function openSockets(demo: Demo): number {
  const ports = [demo.url, ...demo.instances.map(({ url }) => url)].map((url) => new URL(url).port)
  const local = new Set(
    ports.map((port) => Number(port).toString(16).toUpperCase().padStart(4, '0')),
  )
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)
  return rows.filter((row) => {
    const [, address = '', , state] = row.trim().split(/\s+/)
    return state === '01' && local.has(address.split(':')[1] ?? '')
  }).length
}

function parentOf(pid: number): number | undefined {
  // The process name, in parentheses, may contain any character.
  return Number(read(pid, 'stat').split(') ').at(-1)?.split(' ')[1])
}

function commandOf(pid: number): string {
  return read(pid, 'cmdline')
}

/** Returns '' when the process has ended. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
