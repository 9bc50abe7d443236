import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const APP = resolve(import.meta.dirname, '../../../examples/start-app')

/** What the demo says once it serves. */
export interface ReadyLine {
  readonly url: string
  readonly databaseUrl: string
  readonly electricUrl: string
  readonly dataDir: string | null
  /** The servers; the demo starts one again that ends, at the same address. */
  readonly instances: readonly { readonly url: string; readonly pid: number }[]
}

/** A running demo: the app, and the embedded stack unless it was given another. */
export interface Demo extends ReadyLine {
  readonly process: ChildProcess
  /** Ends it as Ctrl-C would and waits. */
  stop(): Promise<void>
  /** Ends it as a power cut would and waits. */
  kill(): Promise<void>
}

/** Starts the demo as `npm run demo -- --json` does and waits for its ready line. */
export async function startDemo(options: {
  readonly dataDir: string
  /** How many servers, behind a balancer unless it is one. */
  readonly instances?: number
  readonly env?: Record<string, string>
}): Promise<Demo> {
  const { dataDir, instances = 1, env } = options
  const { DATABASE_URL: _database, ELECTRIC_URL: _electric, ...inherited } = process.env
  const child = spawn(
    process.execPath,
    [
      ...['scripts/demo.ts', '--json', '--port', '0', '--data-dir', dataDir],
      ...['--instances', String(instances)],
    ],
    { cwd: APP, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
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

/** Makes a directory for a demo's data, and the function that removes it. */
export async function temporaryDataDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'session-db-e2e-'))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 20 }) }
}
