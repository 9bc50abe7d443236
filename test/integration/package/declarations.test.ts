import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../../../dist')

/** Packages that an entry's declarations import, directly or through the chunks they share. */
function packagesOf(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return []
  seen.add(file)
  const text = readFileSync(file, 'utf8')
  const specifiers = [...text.matchAll(/^(?:import|export) [^'"]*?['"]([^'"]+)['"];?$/gm)].map(
    ([, specifier = '']) => specifier,
  )
  return specifiers.flatMap((specifier) =>
    specifier.startsWith('.')
      ? packagesOf(join(dirname(file), specifier.replace(/\.js$/, '.d.ts')), seen)
      : [specifier],
  )
}

const { dependencies } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}
const ours = Object.keys(dependencies)
const peers = ['zod', '@tanstack/db', '@tanstack/electric-db-collection', '@electric-sql/client']

const packageOf = (path: string) =>
  path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/')

// An app that type-checks its libraries needs every package that a declaration imports.
test.each([
  ['index', [...peers]],
  ['server', [...peers, 'pg']],
  ['proxy', ['zod']],
  ['testing', [...peers, 'pg', 'msw']],
  ['metrics', [...peers, 'pg', 'prom-client', '@opentelemetry/api']],
])('the declarations of %s import only what its users have installed', (entry, allowed) => {
  const packages = new Set(packagesOf(join(dist, `${entry}.d.ts`)))
  expect([...packages].filter((name) => ![...ours, ...allowed].includes(packageOf(name)))).toEqual(
    [],
  )
})
