import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * The secret that signs cookies: BETTER_AUTH_SECRET, or one generated once and stored beside the
 * data. Restarts then sign no one out, and instances with the same data directory accept each
 * other's cookies.
 */
export async function authSecret(dataDir: string): Promise<string> {
  if (process.env.BETTER_AUTH_SECRET) return process.env.BETTER_AUTH_SECRET
  const file = resolve(dataDir, 'auth-secret')
  await mkdir(dirname(file), { recursive: true })
  // 'wx' creates the file or fails. Of two concurrent processes, both read the file that won.
  await writeFile(file, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    },
  )
  return readFile(file, 'utf8')
}
