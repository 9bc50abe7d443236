import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../errors.ts'
import { parseJsonText } from '../server/json-text.ts'
import type { SnapshotFileName } from './import-report.ts'

/** The records of one file, not yet looked at. */
export interface SnapshotFile {
  readonly name: SnapshotFileName
  readonly path: string
  readonly found: boolean
  readonly records: readonly unknown[]
}

/**
 * Reads one file of the old app's data directory. A missing file holds nothing.
 *
 * @throws SessionDbError `invalid`, naming file and position, when it is not a JSON array in UTF-8.
 */
export async function readSnapshotFile(
  dataDir: string,
  name: SnapshotFileName,
): Promise<SnapshotFile> {
  const path = join(dataDir, name)
  const bytes = await readIfThere(path)
  if (bytes === undefined) return { name, path, found: false, records: [] }
  const parsed = parseJsonText(decode(bytes, path))
  if (!parsed.ok) {
    throw notImportable(path, `is not JSON from line ${parsed.line}, column ${parsed.column} on`)
  }
  if (!Array.isArray(parsed.value)) {
    throw notImportable(path, 'must hold a JSON array, but line 1, column 1 begins something else')
  }
  return { name, path, found: true, records: parsed.value }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    const reason = error instanceof Error ? error.message : String(error)
    throw new SessionDbError('invalid', `${path} cannot be read: ${reason}`, { cause: error })
  }
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw notImportable(path, 'is not UTF-8')
  }
}

function notImportable(path: string, problem: string): SessionDbError {
  return new SessionDbError(
    'invalid',
    `${path} ${problem}. Nothing was imported. Mend the file, or move it away to leave it out.`,
    { details: { path } },
  )
}
