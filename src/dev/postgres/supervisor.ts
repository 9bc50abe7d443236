/**
 * A separate program, started detached, that runs one Postgres and stops it when its owner ends. The owner
 * holds the other end of stdin, which the kernel closes even on kill -9. It imports only Node modules, so
 * that it runs without bundling.
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
