import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

/** A runtime: its npm package, and how to run the app on it. */
export interface Runtime {
  readonly name: string
  /** Package names with exact versions, or majors of Node. */
  readonly packages: Readonly<Record<string, string>>
  /** Path of the program in `node_modules`; `*` stands for the platform. */
  readonly program: string
  readonly args: readonly string[]
  prepare?(directory: string): Promise<unknown>
  /** True when its server treats a half-closed client as disconnected. */
  readonly seesHalfClose: boolean
}

const node = (major: string): Runtime => ({
  name: `Node ${major}`,
  // The package `node` downloads this one in an install script; listing it avoids the script.
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
    // Before the response has started. A reset is noticed immediately.
    seesHalfClose: false,
    // One bundled module, as with `wrangler deploy`.
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
    // The entry `/server`; the others run `/proxy`.
    name: 'Bun server',
    packages: { bun: '1.4.5' },
    program: '@oven/bun-*/bin/bun',
    args: ['run', '--no-install', 'bun-server.ts'],
    seesHalfClose: true,
  },
  {
    name: 'Deno server',
    packages: { deno: '2.9.6' },
    program: '@deno/*/deno',
    args: [
      'run',
      '--allow-net',
      '--allow-env',
      '--allow-read',
      '--node-modules-dir=manual',
      'deno-server.ts',
    ],
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

/** A running app. */
export interface Running {
  readonly url: string
  /** Everything it has printed. */
  output(): string
  stop(): Promise<void>
}

/** Runs the app in a folder with the app and the runtime installed. */
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

/** Our hosts print their URL, workerd its port. */
function addressIn(line: string): string | undefined {
  const port = /"event":\s*"listen".*"port":\s*(\d+)/.exec(line)?.[1]
  return port ? `http://127.0.0.1:${port}` : /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
}

/** Resolves `*` to the installed platform package. */
async function find(directory: string, [part = '', ...rest]: readonly string[]): Promise<string> {
  const pattern = new RegExp(`^${part.replace('*', '.*')}$`)
  const names = part.includes('*') ? await readdir(directory) : [part]
  const name = names.find((candidate) => pattern.test(candidate))
  if (name === undefined) throw new Error(`There is no ${part} in ${directory}.`)
  const path = join(directory, name)
  return rest.length === 0 ? path : await find(path, rest)
}
