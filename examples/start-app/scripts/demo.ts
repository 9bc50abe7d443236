import { fork } from 'node:child_process'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startDevStack } from '@org/session-db/dev'
import { authSecret } from './auth-secret.ts'
import { buildApp } from './build-app.ts'
import { seed } from './seed.ts'

const HELP = `npm run demo -- [options]

  --port PORT      where the app listens (default: PORT, else 3000, else any free one)
  --data-dir DIR   where the embedded database lives (default: examples/start-app/.session-db)
  --json           print one JSON line: { url, databaseUrl, electricUrl, dataDir }

DATABASE_URL and ELECTRIC_URL (and ELECTRIC_SECRET), set together, replace the embedded stack.
BETTER_AUTH_SECRET signs cookies; by default one is made for the data directory.`

interface Backend {
  readonly databaseUrl: string
  readonly electricUrl: string
  /** Null when Postgres and Electric are somebody else's. */
  readonly dataDir: string | null
}

const appDir = resolve(import.meta.dirname, '..')
const options = readOptions()
/** What has been started, to be stopped in the opposite order. */
const running: (() => Promise<void>)[] = []
let stopping = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stopping ? process.exit(1) : void stop(0)))
}
await main().catch((error: unknown) => fail(error))

async function main(): Promise<void> {
  const [backend] = await Promise.all([startBackend(), buildApp({ appDir, log: progress })])
  const secret = await authSecret(options.dataDir)
  progress('Adding the demo data')
  const { databaseUrl } = backend
  await seed({ databaseUrl, secret, fixtures: resolve(appDir, '../../test/fixtures') })
  const url = await serve(backend, secret)
  process.stdout.write(
    options.json ? `${JSON.stringify({ url, ...backend })}\n` : `Demo ready: ${url}\n`,
  )
}

async function startBackend(): Promise<Backend> {
  const { DATABASE_URL: databaseUrl, ELECTRIC_URL: electricUrl } = process.env
  if (databaseUrl && electricUrl) {
    progress('Using DATABASE_URL and ELECTRIC_URL')
    return { databaseUrl, electricUrl, dataDir: null }
  }
  if (databaseUrl || electricUrl) {
    throw new Error('Set both DATABASE_URL and ELECTRIC_URL, or neither for the embedded stack.')
  }
  progress('Starting Postgres and the shape server')
  const { stop, ...stack } = await startDevStack({
    dataDir: options.dataDir,
    secret: process.env.ELECTRIC_SECRET,
    log: progress,
    onUnexpectedExit: fail,
  })
  running.push(stop)
  return { databaseUrl: stack.databaseUrl, electricUrl: stack.electricUrl, dataDir: stack.dataDir }
}

/** Runs the app in a process of its own, as in production, and resolves to its URL. */
async function serve(
  { databaseUrl, electricUrl, dataDir }: Backend,
  secret: string,
): Promise<string> {
  const app = fork(resolve(import.meta.dirname, 'serve.ts'), {
    env: {
      ...process.env,
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      ELECTRIC_URL: electricUrl,
      EMBEDDED_STACK: dataDir === null ? '' : '1',
      BETTER_AUTH_SECRET: secret,
      DEMO_USERS: '1',
      PORT: String(options.port ?? 3000),
      PORT_IS_FIXED: options.port === undefined ? '' : '1',
    },
    // What the app prints goes to stderr: stdout is for the ready line.
    stdio: ['ignore', 2, 2, 'ipc'],
  })
  const exited = new Promise<void>((resolve) => app.once('exit', () => resolve()))
  running.push(() => {
    if (app.connected) app.disconnect()
    return exited
  })
  app.once('exit', () => fail(new Error('The app has ended; what it said is above.')))
  return new Promise((resolve) => app.once('message', (message) => resolve(String(message))))
}

function readOptions() {
  const { values, error } = readArguments()
  if (values?.help) {
    process.stdout.write(`${HELP}\n`)
    process.exit(0)
  }
  if (values === undefined) {
    process.stderr.write(`${error}\n\n${HELP}\n`)
    process.exit(2)
  }
  const port = values.port ?? process.env.PORT
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) <= 65_535)) {
    process.stderr.write(`The port must be a number from 0 to 65535, not "${port}".\n`)
    process.exit(2)
  }
  // npm runs this in the app's folder, but the user's paths start where the user is.
  const dataDir = values['data-dir']
    ? resolve(process.env.INIT_CWD ?? '.', values['data-dir'])
    : resolve(appDir, '.session-db')
  return { port: port === undefined ? undefined : Number(port), dataDir, json: values.json }
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string' },
        'data-dir': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    return { values, error: null }
  } catch (error) {
    return { values: undefined, error: error instanceof Error ? error.message : String(error) }
  }
}

function progress(message: string): void {
  process[options.json ? 'stderr' : 'stdout'].write(`${message} …\n`)
}

function fail(error: unknown): void {
  if (stopping) return
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  void stop(1)
}

async function stop(exitCode: number): Promise<void> {
  stopping = true
  for (const end of running.reverse()) await end().catch(() => undefined)
  process.exit(exitCode)
}
