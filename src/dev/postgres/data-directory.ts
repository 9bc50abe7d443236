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

/** Fallback for the server's files when its user cannot reach root's data directory. */
const SHARED_STATE_DIRECTORY = '/var/lib/session-db'

/** The part of a data directory that Postgres uses: cluster, password, log. */
export type ServerDirectory = { readonly serverDirectory: string; readonly user: ServerUser }

/**
 * Creates or opens a data directory and returns its real path.
 *
 * @throws SessionDbError `unavailable` when the directory cannot be used
 */
export async function openDataDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true })
    const directory = await realpath(path)
    if ((await readdir(directory)).length === 0) {
      // The server's user has to pass through it; the private parts below have their own modes.
      if (process.getuid?.() === 0) await chmod(directory, 0o711)
      await writeFile(join(directory, '.gitignore'), '*\n')
    }
    return directory
  } catch (cause) {
    throw unusableDirectory(resolve(path), cause)
  }
}

/**
 * Creates or opens the server's part of a data directory and chooses the system user of the server.
 *
 * If the server's user cannot enter a directory above it (such as /root), the part is created in
 * `/var/lib/session-db` and linked from its original path.
 *
 * @throws SessionDbError `unavailable` when the directory cannot be used
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
      `Postgres runs as user ${user.uid}, who cannot enter ${path}. Run chmod o+x on ` +
        'the directories above it, or choose another directory.',
    )
  }
  await rmdir(path)
  await mkdir(SHARED_STATE_DIRECTORY, { recursive: true })
  await chmod(SHARED_STATE_DIRECTORY, 0o755) // independent of the umask
  const elsewhere = await mkdtemp(join(SHARED_STATE_DIRECTORY, 'postgres-'))
  await chown(elsewhere, user.uid, user.gid)
  await symlink(elsewhere, path)
}

/** Wraps an error about an unusable directory; a SessionDbError is returned unchanged. */
export function unusableDirectory(directory: string, cause: unknown): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  return new SessionDbError(
    'unavailable',
    `Cannot use ${directory} as data directory: ${(cause as Error).message}. ` +
      'Choose another directory, or remove it to start empty.',
    { cause },
  )
}
