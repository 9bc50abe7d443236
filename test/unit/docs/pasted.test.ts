import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

/**
 * Compiles the guides as a reader would paste them: each block goes into the file it names, blocks of one file below
 * one another, beside the files of getting-started.md. Imports resolve to this package and to the versions in
 * node_modules; a page that imports another package has to name it in an `npm install`.
 */
const root = join(import.meta.dirname, '../../..')
const GETTING_STARTED = 'docs/getting-started.md'
/** Pages about an app that has other files than getting-started.md. */
const OWN_APPS = [GETTING_STARTED, 'docs/cutover.md']
/** Not in node_modules: the guide's own smoke project or test installs them. */
const NOT_INSTALLED = /^(?:nitro|next|@testing-library|hono|@hono|express|fastify)(?:\/|$)/

interface Block {
  /** The file that the block names, or null. */
  readonly file: string | null
  readonly code: string
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8')
  const pattern = /(?:^`([\w./$[\]-]+)`:\n\n)?^( *)```(tsx?)\n(.*?)^ *```$/gms
  return [...text.matchAll(pattern)].map(([, above, indent = '', , code = '']) => ({
    file: above ?? /^ *\/\/ ([\w./$[\]-]+\.tsx?)(?::.*)?\n/.exec(code)?.[1] ?? null,
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }))
}

const pages = [
  'README.md',
  ...(await readdir(join(root, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md') && !name.startsWith('api/'))
    .map((name) => `docs/${name}`),
].filter((page) => blocksOf(page).length > 0)

const app = join(root, 'pasted')
const files = new Map<string, string>()
for (const page of pages) {
  if (!OWN_APPS.includes(page)) write(page, blocksOf(GETTING_STARTED), true)
  write(page, blocksOf(page))
}
files.set(join(app, 'routeTree.gen.ts'), routeTree())

function write(page: string, blocks: readonly Block[], skipPages = false): void {
  const pasted = new Map<string, string>()
  for (const { file, code } of blocks) {
    const path = join(app, page, file ?? 'unnamed.tsx')
    pasted.set(path, (pasted.get(path) ?? '') + code)
  }
  for (const [path, code] of pasted) {
    if (skipPages && /routes\/index|routes\/__root|router\.tsx|config/.test(path)) continue
    files.set(path, `${code}\nexport {}\n`)
  }
  files.set(
    join(app, page, 'src/routeTree.gen.ts'),
    `export { routeTree } from '${join(app, 'routeTree.gen')}'\n`,
  )
}

/** Stands for the file that TanStack Router generates. */
function routeTree(): string {
  const routes = [...files.values()].flatMap((code) =>
    [...code.matchAll(/createFileRoute\('([^']+)'\)/g)].map(([, path = '']) => path),
  )
  const fields = [...new Set(routes)].map(
    (path) =>
      `'${path}': { id: '${path}'; path: '${path}'; fullPath: '${path}'; preLoaderRoute: any; parentRoute: any }`,
  )
  return `import { createRootRoute } from '@tanstack/react-router'
    export const routeTree = createRootRoute()
    declare module '@tanstack/react-router' { interface FileRoutesByPath { ${fields.join('\n')} } }`
}

const entry = (name: string) => [join(root, 'src', `${name}.ts`)]
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.ReactJSX,
  strict: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true,
  types: [],
  allowImportingTsExtensions: true,
  paths: {
    '@org/session-db': entry('index'),
    ...Object.fromEntries(
      ['server', 'proxy', 's3', 'testing/index', 'dev/index', 'vite', 'devtools', 'metrics'].map(
        (name) => [`@org/session-db/${name.replace('/index', '')}`, entry(name)],
      ),
    ),
  },
}

const host = ts.createCompilerHost(options)
const { getSourceFile, fileExists, readFile, directoryExists } = host
const directories = new Set([...files.keys()].flatMap(ancestors))
host.fileExists = (path) => files.has(path) || fileExists(path)
host.readFile = (path) => files.get(path) ?? readFile(path)
host.directoryExists = (path) =>
  directories.has(path) || (directoryExists?.(path) ?? existsSync(path))
host.getSourceFile = (path, version, ...rest) => {
  const text = files.get(path)
  return text === undefined
    ? getSourceFile(path, version, ...rest)
    : ts.createSourceFile(path, text, version)
}

function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === app || parent === root ? [parent] : [parent, ...ancestors(parent)]
}

const program = ts.createProgram([...files.keys()], options, host)

/** Parameters of callbacks have no types when those of the package are missing. */
function usesMissingPackage(path: string): boolean {
  const imports = [...(files.get(path) ?? '').matchAll(/from '([^']+)'/g)]
  return imports.some(([, name = '']) => NOT_INSTALLED.test(name))
}

function errorsOf(page: string): string[] {
  const folder = join(app, page)
  return [...files.keys()]
    .filter((path) => path.startsWith(`${folder}/`))
    .flatMap((path) => {
      const source = program.getSourceFile(path)
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
        .map(({ messageText, start = 0 }) => {
          const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
          const message = ts.flattenDiagnosticMessageText(messageText, '\n')
          return `${path.slice(folder.length + 1)}:${line} ${message}`
        })
        .filter((error) => !(usesMissingPackage(path) && /implicitly has an 'any'/.test(error)))
    })
}

test.each(pages)('%s compiles as a reader pastes it', (page) => {
  expect(
    errorsOf(page).filter(
      (error) => !NOT_INSTALLED.test(/module '([^']+)'/.exec(error)?.[1] ?? ''),
    ),
  ).toEqual([])
})

test.each(pages)('%s names the file of each block', (page) => {
  expect(blocksOf(page).filter(({ file }) => file === null)).toEqual([])
})

test.each(pages)('%s names the packages to install', (page) => {
  const texts = [page, GETTING_STARTED]
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n')
  const installed = [...texts.matchAll(/\bnpm install ([^`\n]*)/g)].flatMap(([, list = '']) =>
    list.split(' ').map((name) => name.replace(/(?<=.)@[^@/]*$/, '')),
  )
  const imported = blocksOf(page)
    .flatMap(({ code }) => [...code.matchAll(/from '([^'.][^']*)'/g)].map(([, name = '']) => name))
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0])
  expect([...new Set(imported)].filter((name) => !installed.includes(name ?? ''))).toEqual([])
})
