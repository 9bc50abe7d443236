import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { canEnter, chooseServerUser, type ServerUser } from './server-user.ts'

/** Where the server's files go when root's data directory is out of the server user's reach. */
const sharedStateDirectory = '/var/lib/session-db'

export type DataDirectory = {
  /** The directory as a real path: ports, the owner's record. Belongs to whoever runs the stack. */
  readonly directory: string
  /** The part of Postgres: cluster, password, log. Belongs to the server's user. */
  readonly serverDirectory: string
  readonly user: ServerUser
}

/**
 * Creates or opens a data directory and decides which system user its server runs as.
 *
 * When root keeps it below a directory that the server's user cannot enter (such as /root), the
 * server's part is put into `/var/lib/session-db` and a symbolic link left in its place.
 *
 * @throws SessionDbError `unavailable` when the directory cannot be used, saying what to do.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  try {
    return await open(resolve(path))
  } catch (cause) {
    if (cause instanceof SessionDbError) throw cause
    throw new SessionDbError(
      'unavailable',
      `Cannot use ${resolve(path)} as data directory: ${(cause as Error).message}. ` +
        'Choose another one, or remove it to start afresh.',
      { cause },
    )
  }
}

async function open(path: string): Promise<DataDirectory> {
  await mkdir(path, { recursive: true })
  const directory = await realpath(path)
  const entries = await readdir(directory)
  if (entries.length === 0) {
    await writeFile(join(directory, '.gitignore'), '*\n')
    // Ours, so the server's user may pass through it; what is private below has its own mode.
    if (process.getuid?.() === 0) await chmod(directory, 0o711)
  }
  const link = join(directory, 'postgres')
  const exists = await lstat(link).then(
    () => true,
    () => false,
  )
  const user = chooseServerUser(exists ? await realpath(link) : undefined)
  if (!exists) await createServerDirectory(link, user)
  const serverDirectory = await realpath(link)
  if (!canEnter(user, serverDirectory)) {
    throw new SessionDbError(
      'unavailable',
      `Postgres runs as user ${user.uid} here, who cannot enter ${serverDirectory}. ` +
        'Let others pass through the directories above it (chmod o+x), or choose another data directory.',
    )
  }
  return { directory, serverDirectory, user }
}

async function createServerDirectory(path: string, user: ServerUser): Promise<void> {
  await mkdir(path, { mode: 0o700 })
  if (user.uid === undefined || user.gid === undefined) return
  await chown(path, user.uid, user.gid)
  if (canEnter(user, path)) return
  await rmdir(path)
  await mkdir(sharedStateDirectory, { recursive: true, mode: 0o755 })
  const elsewhere = await mkdtemp(join(sharedStateDirectory, 'postgres-'))
  await chown(elsewhere, user.uid, user.gid)
  await symlink(elsewhere, path)
}
