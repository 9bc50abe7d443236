import { realpathSync } from 'node:fs'
import { chmod, chown, mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type TemporaryDirectories = {
  /** Creates an empty directory that other users may traverse, owned by `user` if given. */
  create(user?: { uid: number; gid: number }): Promise<string>
  /** Removes all of them, with the files that an embedded Postgres placed elsewhere. */
  remove(): Promise<void>
}

/** Options of `rm` for a directory in which a stopping Postgres may still write for a moment. */
export const removal = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 } as const

/** Tracks temporary directories so that a suite can remove them. */
export function temporaryDirectories(): TemporaryDirectories {
  const made: string[] = []
  return {
    create: async (user) => {
      const directory = await mkdtemp(join(realpathSync(tmpdir()), 'session-db-test-'))
      made.push(directory)
      await chmod(directory, 0o755)
      if (user !== undefined) await chown(directory, user.uid, user.gid)
      return directory
    },
    remove: async () => {
      for (const directory of made.splice(0)) {
        const elsewhere = await readlink(join(directory, 'postgres')).catch(() => undefined)
        if (elsewhere !== undefined) await rm(elsewhere, removal)
        await rm(directory, removal)
      }
    },
  }
}
