import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FRAMEWORKS, filesFor } from '../../../src/cli/init/templates.ts'
import { typeErrors } from '../../support/type-errors.ts'

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
const NOT_INSTALLED = /^(?:nitro|next|@hono|express|fastify)(?:\/|$)/

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
/** The file of a Next app that `session-db init` writes for the pages. */
const [nextServer] = filesFor('next', { source: '.', routes: 'app' })
for (const page of pages) {
  if (!OWN_APPS.includes(page)) write(page, blocksOf(GETTING_STARTED), true)
  write(page, blocksOf(page))
  if (nextServer && blocksOf(page).some(({ file }) => file === 'app/page.tsx'))
    files.set(join(app, page, nextServer[0]), nextServer[1])
}

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
}

for (const framework of FRAMEWORKS) {
  const places = { source: 'src', routes: framework === 'next' ? 'src/app' : 'src/routes' }
  for (const [path, code] of filesFor(framework, places)) {
    files.set(join(root, 'init', framework, path), code)
  }
}

const errorsOf = typeErrors(files)

test.each(FRAMEWORKS)('session-db init writes files for %s that compile', (framework) => {
  expect(errorsOf(join(root, 'init', framework))).toEqual([])
})

/** Without a package, its import is an error, and parameters of callbacks have no types. */
function isOfMissingPackage(page: string, error: string): boolean {
  const [, path = '', missing = ''] = /^([^:]+):.*?(?:module '([^']+)'|$)/.exec(error) ?? []
  if (NOT_INSTALLED.test(missing)) return true
  const code = files.get(join(app, page, path)) ?? ''
  const imports = [...code.matchAll(/from '([^']+)'/g)]
  return (
    imports.some(([, name = '']) => NOT_INSTALLED.test(name)) &&
    /implicitly has an 'any'/.test(error)
  )
}

test.each(pages)('%s compiles as a reader pastes it', (page) => {
  const errors = errorsOf(join(app, page))
  expect(errors.filter((error) => !isOfMissingPackage(page, error))).toEqual([])
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
