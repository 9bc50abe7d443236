import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a Postgres server writes about itself into its data directory. */
export type PostmasterPid = { readonly pid: number; readonly status: string }

/** Where the server of a data directory names its pid. */
export function postmasterPidFile(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid')
}

/** Reads `postmaster.pid`; `undefined` when no server has left one. */
export async function readPostmasterPid(dataDirectory: string): Promise<PostmasterPid | undefined> {
  const text = await readFile(postmasterPidFile(dataDirectory), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number(lines[0])
  return pid > 0 ? { pid, status: lines[7]?.trim() ?? '' } : undefined
}
