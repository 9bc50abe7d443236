import { type ChildProcess, fork } from 'node:child_process'
import { resolve } from 'node:path'

/** A server of the app in its own process, as in production. */
export interface Instance {
  readonly url: string
  /** The current process; it changes with a restart. */
  readonly pid: number
  stop(): Promise<void>
}

interface InstanceOptions {
  readonly env: Readonly<Record<string, string>>
  /** Default: 3000, or any free one. 0: any free one. */
  readonly port: number | undefined
  readonly log: (message: string) => void
  /** Called when a server can't be restarted. */
  readonly onGone: (error: Error) => void
}

/** A server that ends within this time of its start is not restarted, in ms. */
const TOO_SOON_MS = 3_000

/** Starts a server and restarts it on the same address if it ends. */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  let stopping = false
  let process = serve(options.env, options.port)
  const url = await listening(process)
  if (url === undefined) throw new Error('The app did not start; what it said is above.')
  const port = Number(new URL(url).port)

  async function watch(): Promise<void> {
    for (;;) {
      const started = performance.now()
      await ended(process)
      if (stopping) return
      if (performance.now() - started < TOO_SOON_MS) {
        return options.onGone(new Error('The app has ended; what it said is above.'))
      }
      options.log(`The server at ${url} has ended; restarting it`)
      process = serve(options.env, port)
      await listening(process)
    }
  }
  const watching = watch()

  return {
    url,
    get pid() {
      return process.pid ?? 0
    },
    stop() {
      stopping = true
      if (process.connected) process.disconnect()
      return watching
    },
  }
}

function serve(env: Readonly<Record<string, string>>, port: number | undefined): ChildProcess {
  return fork(resolve(import.meta.dirname, 'serve.ts'), {
    // Prevents frequent garbage collections for large snapshots: see docs/operations.md.
    execArgv: [...globalThis.process.execArgv, '--initial-old-space-size=128'],
    env: {
      ...globalThis.process.env,
      ...env,
      NODE_ENV: 'production',
      PORT: String(port ?? 3000),
      PORT_IS_FIXED: port === undefined ? '' : '1',
    },
    // The app's output goes to stderr: stdout is for the ready line.
    stdio: ['ignore', 2, 2, 'ipc'],
  })
}

/** The address where it listens. Undefined if it ends before. */
function listening(process: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    process.once('message', (url) => resolve(String(url)))
    process.once('exit', () => resolve(undefined))
  })
}

function ended(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => process.once('exit', () => resolve()))
}
