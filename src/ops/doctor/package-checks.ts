import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../finding.ts'

const PACKAGE = '@tanstack/db'

/** Checks that a project has one copy of `@tanstack/db`. Two cause "not a Collection" errors. */
export async function checkPackages(directory: string): Promise<Finding> {
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
    return 'unknown version'
  }
}
