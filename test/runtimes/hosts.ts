import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

/** A runtime: the npm package it comes in, and how the app is run on it. */
export interface Runtime {
  readonly name: string
  /** Names and exact versions, or majors of Node. */
  readonly packages: Readonly<Record<string, string>>
  /** The program, below `node_modules`; a `*` stands for the platform. */
  readonly program: string
  readonly args: readonly string[]
  prepare?(directory: string): Promise<unknown>
  /** Whether its server takes a client that sends no more for one that has gone. */
  readonly seesHalfClose: boolean
}

const node = (major: string): Runtime => ({
  name: `Node ${major}`,
  // The package `node` fetches this one when it is installed; so no script has to run.
  packages: { [`node${major}`]: `npm:node-${process.platform}-${process.arch}@${major}` },
  program: `node${major}/bin/node`,
  args: ['node.ts'],
  seesHalfClose: true,
})

export const runtimes: readonly Runtime[] = [
  {
    name: 'workerd',
    packages: { workerd: '1.20261117.1' },
    program: '@cloudflare/workerd-*/bin/workerd',
    args: ['serve', 'workerd.capnp', '--control-fd=1'],
    // Until it has begun to answer: a reset it sees at once.
    seesHalfClose: false,
    // As `wrangler deploy` does: one module that holds all it needs.
    prepare: (directory) =>
      build({
        entryPoints: [join(directory, 'worker.ts')],
        outfile: join(directory, 'worker.bundle.js'),
        bundle: true,
        format: 'esm',
        conditions: ['workerd', 'worker', 'browser'],
        logLevel: 'silent',
      }),
  },
  {
    name: 'Bun',
    packages: { bun: '1.4.5' },
    program: '@oven/bun-*/bin/bun',
    args: ['run', '--no-install', 'bun.ts'],
    seesHalfClose: true,
  },
  {
    name: 'Deno',
    packages: { deno: '2.9.6' },
    program: '@deno/*/deno',
    args: ['run', '--allow-net=127.0.0.1', '--allow-env', '--node-modules-dir=manual', 'deno.ts'],
    seesHalfClose: true,
  },
  node('22'),
  node('24'),
]

/** An app that is served. */
export interface Running {
  readonly url: string
  /** All that it has printed. */
  output(): string
  stop(): Promise<void>
}

/** Runs the app in a folder where it and the runtime are installed. */
export async function start(
  runtime: Runtime,
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<Running> {
  await runtime.prepare?.(directory)
  const program = await find(join(directory, 'node_modules'), runtime.program.split('/'))
  const child = spawn(program, runtime.args, {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, DENO_NO_UPDATE_CHECK: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const ended = once(child, 'close')
  const url = new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      printed += text
    })
    createInterface(child.stdout).on('line', (line) => {
      printed += `${line}\n`
      const found = addressIn(line)
      if (found !== undefined) resolve(found)
    })
    child.on('error', reject)
    ended.then(() => reject(new Error(`${runtime.name} ended before it listened:\n${printed}`)))
  })
  return {
    url: await url,
    output: () => printed,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Our own hosts print their URL, workerd tells the port. */
function addressIn(line: string): string | undefined {
  const port = /"event":\s*"listen".*"port":\s*(\d+)/.exec(line)?.[1]
  return port ? `http://127.0.0.1:${port}` : /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
}

/** The packages for other platforms are not installed: a `*` stands for the one that is. */
async function find(directory: string, [part = '', ...rest]: readonly string[]): Promise<string> {
  const pattern = new RegExp(`^${part.replace('*', '.*')}$`)
  const names = part.includes('*') ? await readdir(directory) : [part]
  const name = names.find((candidate) => pattern.test(candidate))
  if (name === undefined) throw new Error(`There is no ${part} in ${directory}.`)
  const path = join(directory, name)
  return rest.length === 0 ? path : await find(path, rest)
}
