import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectories } from '../../support/directories.ts'

const root = join(import.meta.dirname, '../../..')
const modules = join(root, 'node_modules')

/** A project with this package and its peers; links share their copies with the repository. */
async function makeProject(): Promise<string> {
  const directories = temporaryDirectories()
  onTestFinished(directories.remove)
  const directory = await directories.create()
  const own = join(directory, 'node_modules')
  await mkdir(join(own, '@tanstack'), { recursive: true })
  await cp(join(root, 'dist'), join(own, '@org/session-db/dist'), { recursive: true })
  await cp(join(root, 'package.json'), join(own, '@org/session-db/package.json'))
  const names = ['@electric-sql', '@standard-schema', 'debug', 'idb', 'uuid', 'zod']
  for (const name of (await readdir(modules)).filter((name) => names.includes(name))) {
    await symlink(join(modules, name), join(own, name))
  }
  for (const name of ['db', 'store', 'pacer-lite', 'db-ivm']) {
    await symlink(join(modules, '@tanstack', name), join(own, '@tanstack', name))
  }
  const electric = '@tanstack/electric-db-collection'
  await cp(join(modules, electric), join(own, electric), { recursive: true })
  return directory
}

/** Returns the output of a program in the project that creates collections. */
async function createCollections(directory: string): Promise<string> {
  const program = join(directory, 'program.mjs')
  await writeFile(
    program,
    `import { createSessionCollections } from '@org/session-db'
try {
  createSessionCollections({ electricUrl: 'http://127.0.0.1:1', writeAdapter: async () => ({}) })
  console.log('made')
} catch (error) {
  console.log(error.code, error.message)
}
process.exit()
`,
  )
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  return stdout.trim()
}

test('refuses two copies of @tanstack/db with what to do, and accepts one', async () => {
  const project = await makeProject()
  expect(await createCollections(project)).toBe('made')

  const second = 'node_modules/@tanstack/electric-db-collection/node_modules/@tanstack/db'
  await cp(join(modules, '@tanstack/db'), join(project, second), { recursive: true })
  await symlink(join(modules, '@tanstack/db-ivm'), join(project, second, '../db-ivm'))
  const refusal = await createCollections(project)
  expect(refusal).toMatch(
    /^invalid There are two copies of @tanstack\/db: .*overrides.*dedupe.*doctor/,
  )
  const [, ours, theirs] = /uses (\S+), and \S+ uses (\S+)\. /.exec(refusal) ?? []
  expect([ours, theirs]).toEqual([
    expect.stringMatching(/\/node_modules\/@tanstack\/db$/),
    expect.stringMatching(/\/electric-db-collection\/node_modules\/@tanstack\/db$/),
  ])
})
