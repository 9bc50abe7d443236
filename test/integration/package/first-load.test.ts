import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type OutputFile } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/** An app as its bundler leaves it: files, and what each imports. */
interface App {
  readonly entry: string
  readonly files: ReadonlyMap<string, OutputFile>
  readonly importsOf: (file: string) => readonly { readonly path: string; readonly kind: string }[]
}

let app: App

beforeAll(async () => {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `import { createSessionCollections } from './dist/index.js'
globalThis.db = createSessionCollections(globalThis.options)`,
      resolveDir: root,
    },
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    packages: 'external',
    outdir: root,
    logLevel: 'error',
  })
  const fileOf = (name: string) => join(root, name)
  const entry = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint)
  app = {
    entry: fileOf(entry?.[0] ?? ''),
    files: new Map(outputFiles.map((file) => [file.path, file])),
    importsOf: (file) =>
      Object.entries(metafile.outputs)
        .filter(([name]) => fileOf(name) === file)
        .flatMap(([, { imports }]) => imports)
        .map(({ path, kind, external }) => ({ path: external ? path : fileOf(path), kind })),
  }
})

/** Whatever is there once these files have been imported: their own imports, too. */
function loadedWith(start: readonly string[]): string[] {
  const loaded = new Set(start)
  for (const file of loaded) {
    for (const { path, kind } of app.importsOf(file)) {
      if (kind === 'import-statement') loaded.add(path)
    }
  }
  return [...loaded]
}

test('what a page loads first is under 12 kB of our own code, gzipped', () => {
  const first = loadedWith([app.entry]).flatMap((path) => app.files.get(path) ?? [])
  expect(first).not.toEqual([])
  expect(gzipSync(Buffer.concat(first.map(({ contents }) => contents))).length).toBeLessThan(12_000)
})

test('zod comes with the parts, not before', () => {
  const first = loadedWith([app.entry])
  expect(first.filter((path) => !app.files.has(path)).sort()).toEqual([
    '@electric-sql/client',
    '@tanstack/db',
    '@tanstack/electric-db-collection',
    'uuid',
  ])
  const parts = first
    .flatMap((file) => app.importsOf(file))
    .flatMap(({ path, kind }) => (kind === 'dynamic-import' ? [path] : []))
  expect(parts).toHaveLength(6)
  expect(loadedWith(parts)).toContain('zod')
})
