import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'

const dist = join(import.meta.dirname, '../../../dist')
const directories = temporaryDirectories()
afterAll(directories.remove)

const run = `startEmbeddedPostgres({ directory: process.argv[2] }).then(async ({ url, stop }) => {
  console.log(url)
  await stop()
})`

// `npm test` builds first; a run of vitest alone may find nothing built.
test.runIf(existsSync(join(dist, 'dev.cjs'))).each([
  ['mjs', `import { startEmbeddedPostgres } from ${JSON.stringify(join(dist, 'dev.js'))}\n`],
  ['cjs', `const { startEmbeddedPostgres } = require(${JSON.stringify(join(dist, 'dev.cjs'))})\n`],
])('the built entry, as %s, finds its supervisor', async (extension, load) => {
  const directory = await directories.create()
  const file = join(directory, `program.${extension}`)
  await writeFile(file, load + run)
  const program = runProgram(file, [await withCluster(await directories.create())])
  expect(await program.firstLine).toMatch(/^postgresql:/)
  expect(await program.ended).toEqual({ code: 0, signal: null })
})
