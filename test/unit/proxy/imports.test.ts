import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Collects all modules a file imports, transitively: own files by URL, packages by name. */
function importsOf(entry: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(entry.href)) return seen
  seen.add(entry.href)
  const source = readFileSync(entry, 'utf8')
  for (const [, specifier = ''] of source.matchAll(/from '([^']+)'/g)) {
    if (specifier.startsWith('.')) importsOf(new URL(specifier, entry), seen)
    else seen.add(specifier)
  }
  return seen
}

test.each(['proxy.ts', 'server/write-handler.ts'])('%s imports no Node module', (name) => {
  const imports = importsOf(new URL(`../../../src/${name}`, import.meta.url))
  const packages = [...imports].filter((specifier) => !specifier.startsWith('file:'))
  const allowed = ['zod/mini', 'zod/locales', '@electric-sql/client']
  expect(packages.filter((specifier) => !allowed.includes(specifier))).toEqual([])
  expect(imports.size).toBeGreaterThan(8)
})
