import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, test } from 'vitest'
import { moveOrigin } from '../smoke/origin.ts'
import { temporaryDirectories } from '../support/directories.ts'
import { packTarball } from '../support/package-tarball.ts'
import { isDeep } from '../support/property.ts'

const directories = temporaryDirectories()
afterAll(() => directories.remove())

// `npm run smoke -- origin` does the same. It takes minutes.
test.runIf(isDeep)(
  'an app of the old structure moves by the cutover guide',
  async () => {
    const root = await directories.create()
    const directory = join(root, 'origin')
    await mkdir(directory)
    await moveOrigin({ directory, node: process.execPath, tarball: await packTarball(root) })
  },
  1_800_000,
)
