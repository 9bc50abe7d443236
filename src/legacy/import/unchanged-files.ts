import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { fileNumbers } from './staging-tables.ts'

/**
 * Remembers what the files are, as they are read twice.
 *
 * @returns what throws a SessionDbError `invalid`, naming the file, when one has been written since.
 */
export async function rememberFiles(dataDir: string): Promise<() => Promise<void>> {
  const paths = Object.keys(fileNumbers).map((name) => join(dataDir, name))
  const before = await Promise.all(paths.map(stateOf))
  return async () => {
    const after = await Promise.all(paths.map(stateOf))
    const changed = paths.find((_, at) => before[at] !== after[at])
    if (changed === undefined) return
    throw new SessionDbError(
      'invalid',
      `${changed} was written while it was read. Nothing was imported. ` +
        'Stop the old app, then import again.',
      { details: { path: changed } },
    )
  }
}

async function stateOf(path: string): Promise<string> {
  const state = await stat(path, { bigint: true }).catch(() => undefined)
  return state === undefined ? 'missing' : `${state.ino} ${state.size} ${state.mtimeNs}`
}
