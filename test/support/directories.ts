import { realpathSync } from 'node:fs'
import { chmod, chown, mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type TemporaryDirectories = {
  /** Makes an empty directory that others may pass through, owned by `user` if given. */
  create(user?: { uid: number; gid: number }): Promise<string>
  /** Removes them all, with what an embedded Postgres put elsewhere. */
  remove(): Promise<void>
}

/** How to remove a directory in which a Postgres, whose owner has just gone, still writes for a moment. */
export const removal = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 } as const

/** Keeps track of temporary directories so that a suite can remove what it made. */
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
