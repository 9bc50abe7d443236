import { readdirSync, readFileSync } from 'node:fs'
import type { Demo } from './demo.ts'

/** The processes that serve the app now: others than at the start, once one was started again. */
function serverPids(demo: Demo): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === demo.process.pid && commandOf(pid).includes('serve.ts'))
}

/** Ends all servers of the app as a power cut would; the demo starts them again. */
export function killServers(demo: Demo): void {
  const pids = serverPids(demo)
  if (pids.length !== demo.instances.length) throw new Error(`${pids.length} servers are there`)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
}

/** How many TCP connections to the servers and the balancer are open. */
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
  // The name, in parentheses, may hold anything.
  return Number(read(pid, 'stat').split(') ').at(-1)?.split(' ')[1])
}

function commandOf(pid: number): string {
  return read(pid, 'cmdline')
}

/** Empty when the process is gone by now. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
