import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const root = resolve(import.meta.dirname, '../..')

/** Packs the built package as it would be published; returns the path of the tarball. */
export async function packTarball(directory: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', directory],
    { cwd: root },
  )
  const packed: unknown = JSON.parse(stdout)
  // A list, or, from npm 11 on, an object by package name.
  const [first] = Object.values(packed as Record<string, { filename: string }>)
  if (first === undefined) throw new Error(`npm pack created no tarball: ${stdout}`)
  return join(directory, first.filename.replace('@', '').replace('/', '-'))
}
