import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { root } from './support/entries.ts'

/**
 * Builds the package into dist/ with tsup, unless dist/ is already the build of exactly these sources:
 * a CI run checks, packs, tests and browses one build. `--force` builds anyway. `--no-types` leaves out the
 * type definitions, which take most of the time, for runs that need none.
 */
const INPUTS = ['src/**/*.ts', 'tsup.*.ts', 'tsconfig.json', 'package.json', 'package-lock.json']
const dist = join(root, 'dist')
const keyFile = join(root, 'node_modules/.cache/build-key')

const withTypes = !process.argv.includes('--no-types')
const sources = await buildKey()
const key = withTypes ? sources : `${sources} without types`
const built = await readFile(keyFile, 'utf8').catch(() => '')
// A build with types serves both.
const isBuilt =
  (built === sources && existsSync(join(dist, 'index.d.ts'))) ||
  (built === key && existsSync(join(dist, 'index.js')))
if (!isBuilt || process.argv.includes('--force')) {
  const start = performance.now()
  process.stderr.write('Building the package into dist/ …\n')
  await rm(keyFile, { force: true })
  await rm(dist, { recursive: true, force: true })
  const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')
  const { status } = spawnSync(
    process.execPath,
    [tsup, '--silent', ...(withTypes ? [] : ['--no-dts'])],
    {
      cwd: root,
      stdio: 'inherit',
    },
  )
  if (status !== 0) process.exit(status ?? 1)
  await mkdir(dirname(keyFile), { recursive: true })
  await writeFile(keyFile, key)
  process.stderr.write(`Built in ${Math.round((performance.now() - start) / 1000)} s\n`)
}

async function buildKey(): Promise<string> {
  const files: string[] = []
  for await (const file of glob(INPUTS, { cwd: root })) files.push(file)
  const hash = createHash('sha256').update(process.version)
  for (const file of files.sort())
    hash.update(`\0${file}\0`).update(await readFile(join(root, file)))
  return hash.digest('hex')
}
