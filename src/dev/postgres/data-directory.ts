import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { canEnter, chooseServerUser, type ServerUser } from './server-user.ts'

/** Where the server's files go when root's data directory is out of the server user's reach. */
const sharedStateDirectory = '/var/lib/session-db'

/** The part of a data directory that belongs to Postgres: cluster, password, log. */
export type ServerDirectory = { readonly serverDirectory: string; readonly user: ServerUser }

/**
 * Creates or opens a data directory and returns its real path.
 *
 * @throws SessionDbError `unavailable` when the directory cannot be used, saying what to do.
 */
export async function openDataDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true })
    const directory = await realpath(path)
    if ((await readdir(directory)).length === 0) {
      // Ours, so the server's user may pass through it; what is private below has its own mode.
      if (process.getuid?.() === 0) await chmod(directory, 0o711)
      await writeFile(join(directory, '.gitignore'), '*\n')
    }
    return directory
  } catch (cause) {
    throw unusableDirectory(resolve(path), cause)
  }
}

/**
 * Creates or opens the server's part of a data directory that this process owns, and decides which
 * system user the server runs as.
 *
 * When root keeps it below a directory that the server's user cannot enter (such as /root), it is
 * put into `/var/lib/session-db` and a symbolic link left in its place.
 *
 * @throws SessionDbError `unavailable` when the directory cannot be used, saying what to do.
 */
export async function openServerDirectory(directory: string): Promise<ServerDirectory> {
  try {
    const path = join(directory, 'postgres')
    const exists = await lstat(path).then(
      () => true,
      () => false,
    )
    const user = chooseServerUser(exists ? await realpath(path) : undefined)
    await createFor(user, path)
    return { serverDirectory: await realpath(path), user }
  } catch (cause) {
    throw unusableDirectory(directory, cause)
  }
}

async function createFor(user: ServerUser, path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (user.uid === undefined || user.gid === undefined) return
  if ((await stat(path)).uid === 0) await chown(path, user.uid, user.gid)
  if (canEnter(user, await realpath(path))) return
  if ((await readdir(path)).length > 0) {
    throw new SessionDbError(
      'unavailable',
      `Postgres runs as user ${user.uid} here, who cannot enter ${path}. Let others pass through ` +
        'the directories above it (chmod o+x), or choose another data directory.',
    )
  }
  await rmdir(path)
  await mkdir(sharedStateDirectory, { recursive: true })
  await chmod(sharedStateDirectory, 0o755) // whatever the umask says
  const elsewhere = await mkdtemp(join(sharedStateDirectory, 'postgres-'))
  await chown(elsewhere, user.uid, user.gid)
  await symlink(elsewhere, path)
}

/** The error for a directory that the system does not let us use; typed errors pass through. */
export function unusableDirectory(directory: string, cause: unknown): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  return new SessionDbError(
    'unavailable',
    `Cannot use ${directory} as data directory: ${(cause as Error).message}. ` +
      'Choose another one, or remove it to start afresh.',
    { cause },
  )
}
