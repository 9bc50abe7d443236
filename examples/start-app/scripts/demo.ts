import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { startDevStack } from '@org/session-db/dev'
import { authSecret } from './auth-secret.ts'
import { startBalancer } from './balancer.ts'
import { buildApp } from './build-app.ts'
import { type Instance, startInstance } from './instances.ts'
import { readOptions } from './options.ts'
import { seed } from './seed.ts'

interface Backend {
  readonly databaseUrl: string
  readonly electricUrl: string
  /** Null when Postgres and Electric run elsewhere. */
  readonly dataDir: string | null
}

const appDir = resolve(import.meta.dirname, '..')
const options = readOptions(appDir)
/** Started services, stopped in reverse order. */
const running: (() => Promise<void>)[] = []
let stopping = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stopping ? process.exit(1) : void stop(0)))
}
await main().catch((error: unknown) => fail(error))

async function main(): Promise<void> {
  const started = performance.now()
  const [backend] = await Promise.all([
    step('Starting Postgres and the shape server', startBackend),
    options.dev || step('Building the app, if it has changed', () => buildApp(appDir)),
  ])
  const secret = await authSecret(options.dataDir)
  const { databaseUrl } = backend
  await step('Adding the demo data, if it is new', () =>
    seed({ databaseUrl, secret, fixtures: resolve(appDir, '../../test/fixtures') }),
  )
  if (options.dev) return serveSources(backend, secret)
  const { url, servers } = await step('Starting the app', () => serve(backend, secret))
  const instances = servers.map((server) => ({ url: server.url, pid: server.pid }))
  progress(`Started in ${seconds(started)}`)
  process.stdout.write(
    options.json ? `${JSON.stringify({ url, ...backend, instances })}\n` : `Demo ready: ${url}\n`,
  )
}

/** Runs a step of the start and prints its time. */
async function step<Result>(title: string, run: () => Promise<Result>): Promise<Result> {
  const start = performance.now()
  progress(`${title} …`)
  const result = await run()
  progress(`${title}: ${seconds(start)}`)
  return result
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}

async function startBackend(): Promise<Backend> {
  const { DATABASE_URL: databaseUrl, ELECTRIC_URL: electricUrl } = process.env
  if (databaseUrl && electricUrl) {
    progress('Using the services of DATABASE_URL and ELECTRIC_URL')
    return { databaseUrl, electricUrl, dataDir: null }
  }
  if (databaseUrl || electricUrl) {
    throw new Error('Set both DATABASE_URL and ELECTRIC_URL, or neither for the embedded stack.')
  }
  const { stop, ...stack } = await startDevStack({
    directory: options.dataDir,
    secret: process.env.ELECTRIC_SECRET,
    log: progress,
    onUnexpectedExit: fail,
  })
  running.push(stop)
  return {
    databaseUrl: stack.databaseUrl,
    electricUrl: stack.electricUrl,
    dataDir: stack.directory,
  }
}

/** Runs the servers of the app, with a balancer in front of more than one. */
async function serve(
  backend: Backend,
  secret: string,
): Promise<{ url: string; servers: Instance[] }> {
  const isBalanced = options.instances > 1
  const env = { ...settings(backend, secret), BEHIND_BALANCER: isBalanced ? '1' : '' }
  const servers: Instance[] = []
  for (let number = 0; number < options.instances; number += 1) {
    const port = isBalanced ? 0 : options.port
    const server = await startInstance({ env, port, log: progress, onGone: fail })
    running.push(server.stop)
    servers.push(server)
  }
  const [only] = servers
  if (only && !isBalanced) return { url: only.url, servers }
  const instances = servers.map(({ url }) => url)
  const balancer = await startBalancer({ instances, port: options.port })
  running.push(balancer.stop)
  return { url: balancer.url, servers }
}

/** Serves the sources with Vite, which prints the address. */
async function serveSources(backend: Backend, secret: string): Promise<void> {
  const vite = spawn('vite', ['dev', '--port', String(options.port ?? 3000)], {
    cwd: appDir,
    env: { ...process.env, ...settings(backend, secret) },
    stdio: 'inherit',
  })
  vite.once('error', fail).once('exit', () => fail(new Error('Vite has ended.')))
  running.push(async () => void vite.kill())
}

function settings({ databaseUrl, electricUrl, dataDir }: Backend, secret: string) {
  return {
    DATABASE_URL: databaseUrl,
    ELECTRIC_URL: electricUrl,
    EMBEDDED_STACK: dataDir === null ? '' : '1',
    BETTER_AUTH_SECRET: secret,
    DEMO_USERS: '1',
  }
}

function progress(message: string): void {
  process[options.json ? 'stderr' : 'stdout'].write(`${message}\n`)
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
