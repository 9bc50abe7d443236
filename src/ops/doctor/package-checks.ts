import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../finding.ts'

const PACKAGE = '@tanstack/db'

/** Checks the packages of an app and its Vite configuration. */
export async function checkPackages(directory: string): Promise<Finding[]> {
  const app = await readApp(directory)
  return [
    await checkCopies(directory),
    ...(app === undefined
      ? []
      : [...checkVersions(app), ...checkValidator(app), ...(await checkNitro(app))]),
  ]
}

/** An app as its package.json describes it. */
interface App {
  readonly directory: string
  /** Declared ranges by package, development packages included. */
  readonly declared: Readonly<Record<string, string>>
  /** Returns the installed version of a package. */
  readonly installed: (name: string) => string | undefined
}

/** The package with which each package of the guide was tested. */
const TESTED = {
  '@tanstack/db': '0.9.2',
  '@tanstack/react-db': '0.4.1',
  '@tanstack/electric-db-collection': '0.4.10',
  '@tanstack/query-db-collection': '1.2.15',
} as const

async function readApp(directory: string): Promise<App | undefined> {
  const file = await readFile(join(directory, 'package.json'), 'utf8').catch(() => undefined)
  if (file === undefined) return undefined
  const { dependencies, devDependencies } = JSON.parse(file) as Record<string, object | undefined>
  const declared = { ...dependencies, ...devDependencies } as Record<string, string>
  const names = [...Object.keys(TESTED), START, NITRO]
  const versions = new Map(
    await Promise.all(
      names.map(async (name) => {
        const path = join(directory, 'node_modules', name)
        return [name, await versionOf(path)] as const
      }),
    ),
  )
  const installed = (name: string) => {
    const version = versions.get(name)
    return version === UNKNOWN ? undefined : version
  }
  return { directory, declared, installed }
}

/** Checks that the TanStack packages are of one release: npm refuses or nests the others. */
function checkVersions({ declared, installed }: App): Finding[] {
  const check = 'tanstack-versions'
  const used = Object.entries(TESTED).filter(([name]) => declared[name] !== undefined)
  if (used.length === 0) return []
  const wrong = used.filter(([name, tested]) => {
    const version = installed(name) ?? firstVersion(declared[name] ?? '')
    return version !== undefined && isOlder(version, tested)
  })
  if (wrong.length === 0) {
    return [{ check, level: 'ok', message: 'the TanStack DB packages fit together' }]
  }
  const list = wrong.map(([name]) => `${name} ${installed(name) ?? declared[name]}`)
  const packages = used.map(([name, tested]) => `${name}@${tested}`)
  return [
    {
      check,
      level: 'error',
      message: `too old for session-db: ${list.join(', ')}`,
      fix: `npm stops with ERESOLVE unless all are changed in one command: npm install @org/session-db ${packages.join(' ')}`,
    },
  ]
}

const START = '@tanstack/react-start'
/** The first release of React Start whose server functions have `.validator()`. */
const FIRST_VALIDATOR = '1.168.40'

function checkValidator({ declared, installed }: App): Finding[] {
  const version = installed(START) ?? firstVersion(declared[START] ?? '')
  if (version === undefined || !isOlder(version, FIRST_VALIDATOR)) return []
  return [
    {
      check: 'start-validator',
      level: 'warning',
      message: `${START} ${version} has .inputValidator() where the guides write .validator()`,
      fix: `Write createServerFn({ method: 'POST' }).inputValidator(…), or update ${START} to ${FIRST_VALIDATOR}.`,
    },
  ]
}

const NITRO = 'nitro'

async function checkNitro({ directory, declared, installed }: App): Promise<Finding[]> {
  if (declared[NITRO] === undefined && installed(NITRO) === undefined) return []
  const configs = ['vite.config.ts', 'vite.config.mts', 'vite.config.js', 'vite.config.mjs']
  const texts = await Promise.all(
    configs.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')),
  )
  const check = 'nitro-debug'
  if (texts.some((text) => /\bdebugPackage\b|\bdebug\b['"]?\s*:/.test(text))) {
    return [{ check, level: 'ok', message: 'the Vite configuration keeps the package debug' }]
  }
  return [
    {
      check,
      level: 'warning',
      message: `nitro ${installed(NITRO) ?? declared[NITRO]} replaces the package debug by a stub, which breaks @tanstack/electric-db-collection`,
      fix: "Add debugPackage() from '@org/session-db/vite' to the plugins of the Vite configuration.",
    },
  ]
}

/** The first version that a range names. */
function firstVersion(range: string): string | undefined {
  return /\d+\.\d+\.\d+/.exec(range)?.[0]
}

function isOlder(version: string, other: string): boolean {
  const numbers = (text: string) => text.split(/[.+-]/, 3).map(Number)
  const [one, two] = [numbers(version), numbers(other)]
  const index = one.findIndex((number, at) => number !== two[at])
  return index >= 0 && (one[index] ?? 0) < (two[index] ?? 0)
}

/** Checks that a project has one copy of `@tanstack/db`. Two cause "not a Collection" errors. */
async function checkCopies(directory: string): Promise<Finding> {
  const check = 'tanstack-copies'
  const copies = await findCopies(join(directory, 'node_modules'))
  if (copies.size === 0) {
    return { check, level: 'skipped', message: `${directory} has no ${PACKAGE} installed` }
  }
  const list = [...copies].map(([path, version]) => `${version} in ${path}`).sort()
  if (copies.size === 1) return { check, level: 'ok', message: `one ${PACKAGE}: ${list[0]}` }
  return {
    check,
    level: 'error',
    message: `${copies.size} copies of ${PACKAGE}: ${list.join(', ')}`,
    fix: `Pin ${PACKAGE}, @tanstack/react-db and @tanstack/electric-db-collection to versions that agree, or set "overrides" in package.json. \`npm ls ${PACKAGE}\` lists them.`,
  }
}

/** Returns the version by real path: links of workspaces and pnpm lead to the same copy. */
async function findCopies(root: string): Promise<Map<string, string>> {
  const copies = new Map<string, string>()
  const seen = new Set<string>()
  const look = async (modules: string): Promise<void> => {
    const real = await realpath(modules).catch(() => undefined)
    if (real === undefined || seen.has(real)) return
    seen.add(real)
    for (const name of await packagesIn(real)) {
      const path = await realpath(join(real, name)).catch(() => undefined)
      if (path === undefined) continue
      if (name === PACKAGE) copies.set(path, await versionOf(path))
      await look(join(path, 'node_modules'))
    }
  }
  await look(root)
  await look(join(root, '.pnpm', 'node_modules'))
  return copies
}

const UNKNOWN = 'unknown version'

async function packagesIn(modules: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await readdir(modules).catch(() => [])) {
    if (name.startsWith('.')) continue
    if (!name.startsWith('@')) names.push(name)
    else
      for (const inner of await readdir(join(modules, name)).catch(() => []))
        names.push(`${name}/${inner}`)
  }
  return names
}

async function versionOf(path: string): Promise<string> {
  try {
    const { version } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
    return String(version)
  } catch {
    return UNKNOWN
  }
}
