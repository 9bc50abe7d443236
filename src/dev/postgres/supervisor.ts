/**
 * A program of its own, started detached: runs one Postgres and stops it when the owner goes away,
 * however that goes. The owner holds the other end of stdin; the kernel closes it even on kill -9.
 * Imports nothing but Node, so that it runs as it is from any build.
 */
import { spawn } from 'node:child_process'

const { postgres, args, user, cwd } = JSON.parse(process.argv[2] ?? '') as {
  postgres: string
  args: string[]
  user: { uid?: number; gid?: number }
  cwd: string
}

const server = spawn(postgres, args, { ...user, cwd, stdio: ['ignore', 'inherit', 'inherit'] })
server.on('error', (error) => {
  console.error(`cannot run ${postgres}: ${error.message}`)
  process.exit(1)
})
server.on('exit', (code) => process.exit(code ?? 1))

let stopping = false
function stop() {
  if (stopping) return
  stopping = true
  server.kill('SIGINT') // fast: disconnects clients, writes a checkpoint
  setTimeout(() => server.kill('SIGQUIT'), 10_000) // immediate: recovers at the next start
  setTimeout(() => server.kill('SIGKILL'), 15_000)
}

process.stdin.on('end', stop)
process.stdin.on('error', stop)
process.stdin.resume()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
