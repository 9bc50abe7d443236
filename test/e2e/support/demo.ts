import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { emptyDatabase, givenEngine } from '../../support/given-engine.ts'

const APP = resolve(import.meta.dirname, '../../../examples/start-app')

/** The JSON line that the demo prints when it is ready. */
export interface ReadyLine {
  readonly url: string
  readonly databaseUrl: string
  readonly electricUrl: string
  readonly dataDir: string | null
  /** The app's servers. The demo restarts one that ends, at the same address. */
  readonly instances: readonly { readonly url: string; readonly pid: number }[]
}

/** A running demo: the app and the embedded stack, or the engine of `npm run test:electric`. */
export interface Demo extends ReadyLine {
  readonly process: ChildProcess
  /** Stops it with SIGINT and waits for its end. */
  stop(): Promise<void>
  /** Stops it with SIGKILL and waits for its end. */
  kill(): Promise<void>
}

/**
 * Starts the demo as `npm run demo -- --json` does and waits for its ready line. With a given engine, a new data
 * directory starts on an emptied database.
 */
export async function startDemo(options: {
  readonly dataDir: string
  /** Number of servers; more than one get a balancer in front. */
  readonly instances?: number
  readonly env?: Record<string, string>
}): Promise<Demo> {
  const { dataDir, instances = 1, env } = options
  const { DATABASE_URL: _database, ELECTRIC_URL: _electric, ...inherited } = process.env
  const engine = givenEngine()
  if (engine !== undefined && (await readdir(dataDir)).length === 0) {
    await emptyDatabase(engine)
  }
  const backend = engine && { DATABASE_URL: engine.databaseUrl, ELECTRIC_URL: engine.electricUrl }
  const child = spawn(
    process.execPath,
    [
      ...['scripts/demo.ts', '--json', '--port', '0', '--data-dir', dataDir],
      ...['--instances', String(instances)],
    ],
    { cwd: APP, env: { ...inherited, ...backend, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const ready = await readyLine(child)
  return {
    ...ready,
    process: child,
    stop: () => end(child, 'SIGINT'),
    kill: () => end(child, 'SIGKILL'),
  }
}

async function readyLine(child: ChildProcess): Promise<ReadyLine> {
  if (child.stdout === null || child.stderr === null) throw new Error('the demo has no output')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000)
  })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) return JSON.parse(line) as ReadyLine
  }
  throw new Error(`The demo ended before it was ready:\n${errors}`)
}

async function end(child: ChildProcess, signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

/** Creates a directory for a demo's data; `remove` deletes it. */
export async function temporaryDataDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'session-db-e2e-'))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 20 }) }
}
