import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { root } from './support/entries.ts'

/**
 * Builds the documentation site: the API reference from the docstrings into `docs/api`, then all pages
 * with VitePress, which fails on a dead link. With `--dev` it serves them and reloads on changes.
 */
const docs = join(root, 'docs')
const isDev = process.argv.includes('--dev')

await rm(join(docs, 'api'), { recursive: true, force: true })
run('typedoc/bin/typedoc', [])
run('vitepress/bin/vitepress.js', [isDev ? 'dev' : 'build', docs])
if (!isDev) console.log(`The site is in ${relative(process.cwd(), join(docs, '.vitepress/dist'))}/`)

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', program), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
