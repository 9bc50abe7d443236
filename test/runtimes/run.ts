import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import repository from '../../package.json' with { type: 'json' }
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'
import { temporaryDirectories } from '../support/directories.ts'
import { packTarball } from '../support/package-tarball.ts'
import { query } from '../support/query.ts'
import { runInDirectories } from '../support/run-in-directories.ts'
import { checks } from './checks.ts'
import { type Running, type Runtime, runtimes, start } from './hosts.ts'
import { startWorld, type World } from './world.ts'

const usage = `Usage: npm run test:runtimes -- [runtime …]
Installs the packed package and each runtime (${runtimes.map(({ name }) => name).join(', ')})
into an empty project, and asks the proxy that runs there for shapes.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean' } },
})
const directories = temporaryDirectories()
await runInDirectories(directories, { usage, help: values.help }, main)

async function main(): Promise<void> {
  const wanted = runtimes.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  )
  const directory = await directories.create()
  await install(directory, wanted)
  const postgres = await startEmbeddedPostgres({
    directory: join(await directories.create(), 'data'),
  })
  try {
    let failures = 0
    for (const runtime of wanted) failures += await tryOn(runtime, directory, postgres.url)
    if (failures > 0 || wanted.length === 0) process.exitCode = 1
  } finally {
    await postgres.stop()
  }
}

/** Installs the app with the packed package, and the runtimes, without install scripts. */
async function install(directory: string, wanted: readonly Runtime[]): Promise<void> {
  await cp(join(import.meta.dirname, 'app'), directory, { recursive: true })
  const tarball = await packTarball(directory)
  const dependencies = {
    '@org/session-db': `file:${tarball}`,
    srvx: repository.devDependencies.srvx,
    ...Object.assign({}, ...wanted.map(({ packages }) => packages)),
  }
  const content = { name: 'runtimes', private: true, type: 'module', dependencies }
  await writeFile(join(directory, 'package.json'), JSON.stringify(content, null, 2))
  const quiet = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--prefer-offline',
  ]
  await promisify(execFile)('npm', ['install', ...quiet], { cwd: directory })
}

/** Runs the app on a runtime with all checks; returns the number of failures. */
async function tryOn(runtime: Runtime, directory: string, postgresUrl: string): Promise<number> {
  const world = await startWorld(await createDatabase(postgresUrl))
  const { secret, relay } = world
  const env = { ELECTRIC_URL: relay.url, ELECTRIC_SECRET: secret }
  const running = await start(runtime, directory, env)
  try {
    return await checkAll(runtime, world, running)
  } finally {
    await running.stop()
    await world.close()
  }
}

async function checkAll(runtime: Runtime, world: World, running: Running): Promise<number> {
  const { seesHalfClose } = runtime
  const shapesUrl = new URL('/api/shapes', running.url).href
  const subject = { ...world, shapesUrl, seesHalfClose }
  const all: typeof checks = {
    ...checks,
    'prints no secret': async () => assert.ok(!running.output().includes(world.secret)),
  }
  let failures = 0
  for (const [name, check] of Object.entries(all)) {
    const failure = await check(subject).catch((error: Error) => error)
    console.log(`${failure ? '✗' : '✓'} ${runtime.name.padEnd(8)} ${name}`)
    if (!failure) continue
    failures += 1
    console.error(`${failure.stack}\n${running.output()}`)
  }
  return failures
}

async function createDatabase(postgresUrl: string): Promise<string> {
  const name = `runtimes_${randomUUID().replaceAll('-', '')}`
  await query(postgresUrl, `CREATE DATABASE ${name}`)
  return new URL(`/${name}`, postgresUrl).href
}
