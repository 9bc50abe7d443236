import { join } from 'node:path'
import type { Program } from './program.ts'

/** A program that owns an embedded Postgres until it is killed. Its argument is the data directory. */
export const ownerProgram = join(import.meta.dirname, 'embedded-postgres-program.ts')

/** Resolves with the URL of the started server; rejects with the reason when it did not start. */
export async function startedUrl(owner: Program): Promise<string> {
  const { url, error } = JSON.parse(await owner.firstLine)
  if (error !== undefined) throw new Error(`The owner did not start: ${error.message}`)
  return url
}

/** Resolves with the reason why the server did not start; rejects when it did. */
export async function refusalOf(
  owner: Program,
): Promise<{ readonly name: string; readonly code: string; readonly message: string }> {
  const { url, error } = JSON.parse(await owner.firstLine)
  if (error === undefined) throw new Error(`The owner has started: ${url}`)
  return error
}
