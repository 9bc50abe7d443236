import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './support/entries.ts'

/**
 * Generates the API reference in `docs/api` from the docstrings. Without `--update` it fails when the
 * committed pages are stale.
 */
const pages = join(root, 'docs/api')
const fresh = process.argv.includes('--update') ? pages : join(root, 'node_modules/.cache/api-docs')

await rm(fresh, { recursive: true, force: true })
await promisify(execFile)(
  process.execPath,
  [join(root, 'node_modules/typedoc/bin/typedoc'), '--out', fresh],
  { cwd: root },
)
if (fresh !== pages) {
  const stale = await differences(pages, fresh)
  if (stale.length > 0) {
    console.error(`Not what the docstrings say: ${stale.join(', ')} in docs/api. Run: npm run api`)
    process.exitCode = 1
  }
}

async function differences(left: string, right: string): Promise<string[]> {
  const names = new Set([...(await filesIn(left)), ...(await filesIn(right))])
  const same = await Promise.all(
    [...names].map(async (name) => (await textOf(left, name)) === (await textOf(right, name))),
  )
  return [...names].filter((_, index) => !same[index]).sort()
}

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

async function textOf(folder: string, name: string): Promise<string> {
  return await readFile(join(folder, name), 'utf8').catch(() => '')
}
