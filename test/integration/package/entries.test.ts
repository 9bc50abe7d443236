import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const { peerDependenciesMeta } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  peerDependenciesMeta: Record<string, { optional: boolean }>
}

/** The packages that a built entry imports as it is loaded; Node's own are `node`. */
async function loadedBy(file: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [join(root, 'dist', file)],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outdir: 'unused',
    splitting: true,
    logLevel: 'error',
  })
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports)
  const packages = imports
    .filter(({ kind, external }) => external && kind !== 'dynamic-import')
    .map(({ path }) => packageOf(path))
  return [...new Set(packages)].sort()
}

function packageOf(path: string): string {
  if (isBuiltin(path)) return 'node'
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/')
}

const client = '@electric-sql/client'

test.each(['index.js', 'index.cjs', 'testing.cjs'])(
  '%s has no import() of its own files',
  async (file) => {
    const { metafile } = await build({
      entryPoints: [join(root, 'dist', file)],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      packages: 'external',
      outdir: 'unused',
      logLevel: 'error',
    })
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports)
    const dynamic = imports.filter(({ kind }) => kind === 'dynamic-import')
    expect(dynamic.map(({ path }) => path)).toEqual([])
  },
)

test.each([
  ['index.js', [client, '@tanstack/db', '@tanstack/electric-db-collection', 'idb', 'uuid', 'zod']],
  // Without any optional peer: which driver there is shows when the store is made.
  [
    'server.js',
    [
      client,
      '@streamparser/json',
      'kysely',
      'node',
      'pg-copy-streams',
      'picocolors',
      'uuid',
      'zod',
    ],
  ],
])('%s loads these packages and no others', async (file, packages) => {
  const loaded = await loadedBy(file)
  expect(loaded).toEqual([...packages].sort())
  expect(loaded.filter((name) => peerDependenciesMeta[name]?.optional)).toEqual([])
})
