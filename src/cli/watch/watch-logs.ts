import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SessionDbError } from '../../errors.ts'
import { LogError } from '../../timeline/content.ts'
import { isTransient } from '../../writes/errors.ts'
import { type SentLog, sendLog, type UploadTarget } from './send-log.ts'

/** Folders to follow, and where to send the logs in them. */
export interface WatchOptions extends UploadTarget {
  readonly directories: readonly string[]
  /** Ignores files that were last changed before this time. */
  readonly since: Date
  /** Sends the logs of now and returns. */
  readonly once: boolean
  /** Interval of looking for changes, in ms. */
  readonly pollMs: number
  /** File that remembers what was sent. Default: in the user's state directory, by folder and URL. */
  readonly stateFile?: string | undefined
  onSent(path: string, sent: SentLog): void
  onFailed(path: string, error: Error): void
}

/** A file as it was when it was sent. */
interface KnownFile {
  readonly size: number
  readonly mtimeMs: number
  /** Id of an upload that was interrupted. */
  readonly pendingId?: string
}

const LOGS = /\.(?:jsonl|json|jsonl\.zst|jsonl\.gz)$/

/**
 * Sends the agents' logs in some folders, and sends those that change again, until the signal. A file
 * that the route refuses is not sent again until it changes. While the route can't be reached, all are
 * tried again.
 *
 * @throws SessionDbError `unauthenticated` or `forbidden` when the route refuses the token, `invalid` for
 * a folder that doesn't exist.
 */
export async function watchLogs(options: WatchOptions): Promise<void> {
  const { signal } = options
  for (const directory of options.directories) await requireFolder(directory)
  const stateFile = options.stateFile ?? defaultStateFile(options)
  const known = await readState(stateFile)
  while (!signal.aborted) {
    let changed = false
    for (const path of await findLogs(options.directories)) {
      if (signal.aborted) break
      changed = (await sendChanged(path, known, options)) || changed
    }
    if (changed) await writeState(stateFile, known)
    if (options.once) return
    await pause(options.pollMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Sends a file if it has changed. Returns true when its state has changed. */
async function sendChanged(
  path: string,
  known: Map<string, KnownFile>,
  options: WatchOptions,
): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.size === 0 || found.mtime < options.since) return false
  const { size, mtimeMs } = found
  const before = known.get(path)
  if (before?.size === size && before.mtimeMs === mtimeMs) return false
  const pendingId = before?.pendingId ?? randomUUID()
  try {
    const sent = await sendLog(path, options, pendingId)
    known.set(path, { size, mtimeMs })
    options.onSent(path, sent)
  } catch (error) {
    if (options.signal.aborted) return false
    if (!(error instanceof Error) || isRefused(error)) throw error
    options.onFailed(path, error)
    // A later attempt resumes an interrupted upload, unless the file has changed since.
    const isConflict = error instanceof SessionDbError && error.code === 'conflict'
    if (isTransient(error) || isConflict) {
      known.set(path, { size: -1, mtimeMs: 0, ...(!isConflict && { pendingId }) })
    } else if (error instanceof SessionDbError || error instanceof LogError) {
      known.set(path, { size, mtimeMs })
    }
  }
  return true
}

function isRefused(error: Error): boolean {
  const codes = ['unauthenticated', 'forbidden']
  return error instanceof SessionDbError && codes.includes(error.code)
}

async function findLogs(directories: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const directory of directories) {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    for (const entry of entries) {
      if (entry.isFile() && LOGS.test(entry.name)) found.push(join(entry.parentPath, entry.name))
    }
  }
  return found.sort()
}

async function requireFolder(directory: string): Promise<void> {
  if ((await stat(directory).catch(() => undefined))?.isDirectory()) return
  throw new SessionDbError(
    'invalid',
    `There is no folder ${directory}. Pass the agent's folder of logs.`,
  )
}

function defaultStateFile({ directories, url }: WatchOptions): string {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state')
  const key = JSON.stringify([url, directories.map((directory) => resolve(directory))])
  const name = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return join(state, 'session-db', `watch-${name}.json`)
}

async function readState(file: string): Promise<Map<string, KnownFile>> {
  try {
    return new Map(Object.entries(JSON.parse(await readFile(file, 'utf8'))))
  } catch {
    // Without it, all logs are sent again, which changes nothing.
    return new Map()
  }
}

async function writeState(file: string, known: ReadonlyMap<string, KnownFile>): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const next = `${file}.${process.pid}`
  await writeFile(next, JSON.stringify(Object.fromEntries(known)))
  await rename(next, file)
}
