import { join } from 'node:path'
import type { Program } from './program.ts'

/** A program that owns an embedded Postgres until it is killed; its argument is the data directory. */
export const ownerProgram = join(import.meta.dirname, 'embedded-postgres-program.ts')

/** The url of what the program has started. Rejects with the reason when it could not. */
export async function startedUrl(owner: Program): Promise<string> {
  const { url, error } = JSON.parse(await owner.firstLine)
  if (error !== undefined) throw new Error(`The owner did not start: ${error.message}`)
  return url
}

/** Why the program could not start. Rejects when it could. */
export async function refusalOf(
  owner: Program,
): Promise<{ readonly name: string; readonly code: string; readonly message: string }> {
  const { url, error } = JSON.parse(await owner.firstLine)
  if (error === undefined) throw new Error(`The owner has started: ${url}`)
  return error
}
