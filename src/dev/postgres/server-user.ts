import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { SessionDbError } from '../../errors.ts'

/** The system user that Postgres runs as; empty for the user of this process. */
export type ServerUser = { readonly uid?: number; readonly gid?: number }

/**
 * Chooses the system user to run Postgres as. Postgres refuses to run as root, so root uses the owner of
 * an existing data directory, else the user `postgres`, else `nobody`.
 *
 * @throws SessionDbError `unavailable` when none of them exists
 */
export function chooseServerUser(existingDataDirectory: string | undefined): ServerUser {
  if (process.getuid?.() !== 0) return {}
  if (existingDataDirectory !== undefined) {
    const { uid, gid } = statSync(existingDataDirectory)
    if (uid !== 0) return { uid, gid }
  }
  const user = findUser('postgres') ?? findUser('nobody')
  if (user === undefined) {
    throw new SessionDbError(
      'unavailable',
      'Postgres refuses to run as root, and this system has no user "postgres" or "nobody". ' +
        'Run useradd --system postgres, or run this as an ordinary user.',
    )
  }
  return user
}

/** Returns whether a user can enter a directory, which depends on all directories above it too. */
export function canEnter(user: ServerUser, directory: string): boolean {
  if (user.uid === undefined) return true
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { ...user, cwd: '/' }).status === 0
  )
}

function findUser(name: string): ServerUser | undefined {
  const id = (flag: '-u' | '-g') => {
    const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' })
    return status === 0 ? Number(stdout) : undefined
  }
  const uid = id('-u')
  const gid = id('-g')
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}
