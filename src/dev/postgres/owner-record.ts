import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { unusableDirectory } from './data-directory.ts'
import { identifyProcess, isRunning, type ProcessIdentity } from './processes.ts'

/** The process that started the server of a directory, and the server's supervisor. */
type OwnerRecord = { owner: ProcessIdentity; supervisor?: ProcessIdentity }

export type Ownership = {
  /** The supervisor that an ended owner left behind, if it is still running. */
  readonly leftoverSupervisor: ProcessIdentity | undefined
  /** Adds this owner's supervisor to the record. */
  recordSupervisor(pid: number): Promise<void>
  /** Ends the ownership. */
  release(): Promise<void>
}

/**
 * Makes this process the owner of a directory, unless its present owner is still running.
 *
 * @throws SessionDbError `conflict` with the pid when the owner is still running, `unavailable`
 * when the directory is not writable
 */
export async function takeOwnership(directory: string): Promise<Ownership> {
  const file = join(directory, 'owner.json')
  const owner = identifyProcess(process.pid) as ProcessIdentity
  const supervisor = await replaceDeadOwner(directory, file, { owner }).catch((cause) => {
    throw unusableDirectory(directory, cause)
  })
  // Recorded until it has ended, in case this process ends while waiting for that.
  if (supervisor !== undefined) await replaceFile(file, { owner, supervisor })
  return {
    leftoverSupervisor: supervisor,
    recordSupervisor: async (pid) => {
      const identity = identifyProcess(pid)
      if (identity !== undefined) await replaceFile(file, { owner, supervisor: identity })
    },
    release: () => rm(file, { force: true }),
  }
}

async function replaceDeadOwner(
  directory: string,
  file: string,
  mine: OwnerRecord,
): Promise<ProcessIdentity | undefined> {
  let previous: OwnerRecord | undefined
  while (!(await createFile(file, mine))) {
    const found = await read(file)
    if (found !== undefined && isRunning(found.owner)) throw inUse(directory, found.owner.pid)
    previous = (await takeDeadRecord(file)) ?? previous
  }
  const supervisor = previous?.supervisor
  return supervisor !== undefined && isRunning(supervisor) ? supervisor : undefined
}

function inUse(directory: string, pid: number): SessionDbError {
  return new SessionDbError(
    'conflict',
    `${directory} is in use by ${pid === process.pid ? 'this process' : `process ${pid}`}. ` +
      'Stop it, or choose another directory.',
    { details: { pid } },
  )
}

/** Renames the record before reading it, so that only one of several processes can take it. */
async function takeDeadRecord(file: string): Promise<OwnerRecord | undefined> {
  const taken = draftOf(file)
  try {
    await rename(file, taken)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const record = await read(taken)
  if (record !== undefined && isRunning(record.owner)) {
    await rename(taken, file)
    return undefined
  }
  await rm(taken, { force: true })
  return record
}

/** Creates the file with its content atomically; returns false if it exists. */
async function createFile(file: string, record: OwnerRecord): Promise<boolean> {
  const draft = draftOf(file)
  await writeFile(draft, JSON.stringify(record))
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function replaceFile(file: string, record: OwnerRecord): Promise<void> {
  const draft = draftOf(file)
  await writeFile(draft, JSON.stringify(record))
  await rename(draft, file)
}

function draftOf(file: string): string {
  return `${file}.${randomUUID()}`
}

async function read(file: string): Promise<OwnerRecord | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as OwnerRecord
  } catch {
    return undefined // removed meanwhile, or damaged: there is no owner
  }
}
