import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { EMBEDDED_POSTGRES_VERSION } from '../../src/dev/postgres/binaries.ts'
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'

// Copying a cluster takes a tenth of a second, and initdb two seconds of a processor.

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/session-db-clusters')

/**
 * Prepares a data directory as the first start of the embedded Postgres leaves it, and returns its path. Tests of
 * the first start itself begin with an empty directory.
 */
export async function withCluster(directory: string): Promise<string> {
  const name = `embedded-${EMBEDDED_POSTGRES_VERSION}`
  await copyTemplate(name, join(directory, 'postgres'), async (parent) => {
    await (await startEmbeddedPostgres({ directory: parent })).stop()
    await rm(join(parent, 'postgres/server.log'))
    return join(parent, 'postgres')
  })
  return directory
}

/**
 * Copies a directory that is created on first use, with owners and modes.
 *
 * @param name the template's name in the cache
 * @param target path of the copy, which must not exist
 * @param create creates the template below the given directory and returns its path
 */
export async function copyTemplate(
  name: string,
  target: string,
  create: (parent: string) => Promise<string>,
): Promise<void> {
  const template = join(CACHE, name)
  if (!existsSync(template)) {
    const parent = await mkdtemp(join(tmpdir(), 'session-db-template-'))
    await chmod(parent, 0o755)
    await mkdir(CACHE, { recursive: true })
    const unfinished = await mkdtemp(`${template}-`)
    await run('cp', ['-a', await create(parent), join(unfinished, 'copy')])
    // Another process may have been faster.
    await rename(join(unfinished, 'copy'), template).catch(() => undefined)
    await Promise.all([parent, unfinished].map((path) => rm(path, { recursive: true })))
  }
  await run('cp', ['-a', template, target])
}
