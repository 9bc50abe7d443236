import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * The secret that signs cookies: BETTER_AUTH_SECRET, else one made once and kept beside the data,
 * so that a restart signs nobody out and two instances with one data directory accept each other's.
 */
export async function authSecret(dataDir: string): Promise<string> {
  if (process.env.BETTER_AUTH_SECRET) return process.env.BETTER_AUTH_SECRET
  const file = resolve(dataDir, 'auth-secret')
  await mkdir(dirname(file), { recursive: true })
  // 'wx' creates the file or fails: of two processes at once, both read what the first one wrote.
  await writeFile(file, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    },
  )
  return readFile(file, 'utf8')
}
