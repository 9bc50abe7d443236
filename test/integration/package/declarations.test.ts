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

// An app that type-checks its libraries needs every package that a declaration imports.
test.each([
  ['index', /^(@tanstack\/|@electric-sql\/|zod)/],
  ['server', /^(pg$|kysely$|zod|node:)/],
  ['proxy', /^zod/],
  ['testing', /^(@tanstack\/|@electric-sql\/|zod|msw)/],
  ['metrics', /^(pg$|prom-client$|@opentelemetry\/api$|zod)/],
])('the declarations of %s import only what its users have installed', (entry, allowed) => {
  const packages = new Set(packagesOf(join(dist, `${entry}.d.ts`)))
  expect([...packages].filter((name) => !allowed.test(name))).toEqual([])
})
