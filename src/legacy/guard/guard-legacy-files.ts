import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SessionDbError } from '../../errors.ts'
import { isLegacyPath } from './legacy-files.ts'

export interface GuardLegacyFilesOptions {
  /** Refuses access instead of only logging it. By default true when `NODE_ENV` is `production`. */
  readonly refuse?: boolean
  /** Receives the messages; `console.error` by default. */
  readonly log?: (message: string) => void
}

const SYNCHRONOUS = [
  ...['readFileSync', 'writeFileSync', 'appendFileSync', 'openSync', 'createReadStream'],
  ...['createWriteStream', 'copyFileSync', 'renameSync'],
] as const
const CALLBACK = ['readFile', 'writeFile', 'appendFile', 'open', 'copyFile', 'rename'] as const

type AnyFunction = (...args: unknown[]) => unknown

/**
 * Logs every access of the process to a legacy snapshot, with the caller, and in production refuses it
 * with a SessionDbError `forbidden`. Call it first in the server: it catches paths that a search of the
 * code cannot find.
 *
 * @returns a function that removes the guard.
 * @example
 * guardLegacyFiles()
 */
export function guardLegacyFiles(options: GuardLegacyFilesOptions = {}): () => void {
  const refuse = options.refuse ?? process.env.NODE_ENV === 'production'
  const log = options.log ?? ((message: string) => console.error(message))
  const check = (name: string, args: readonly unknown[]): SessionDbError | undefined => {
    const paths = args.slice(0, 2).map(asPath)
    const path = paths.find((text) => text !== undefined && isLegacyPath(text))
    if (path === undefined) return undefined
    const error = new SessionDbError(
      'forbidden',
      `${refuse ? 'Refused' : 'Found'} fs.${name} of ${path}: chat history is in the database. ` +
        'Use createLegacyStores or createSessionCollections instead.',
    )
    // Skips the guard's own frames.
    const callers = error.stack?.split('\n').slice(3, 7).join('\n') ?? ''
    log(`session-db: ${error.message}\n${callers}`)
    return refuse ? error : undefined
  }
  const undo = [
    ...SYNCHRONOUS.map((name) => wrap(fs, name, throwIt, check)),
    ...CALLBACK.map((name) => wrap(fs, name, callBack, check)),
    ...CALLBACK.map((name) => wrap(fs.promises, name, (error) => Promise.reject(error), check)),
  ]
  // Named imports such as `import { readFile } from 'node:fs'` follow only after this.
  syncBuiltinESMExports()
  return () => {
    for (const restore of undo) restore()
    syncBuiltinESMExports()
  }
}

function wrap(
  module: object,
  name: string,
  fail: (error: SessionDbError, args: readonly unknown[]) => unknown,
  check: (name: string, args: readonly unknown[]) => SessionDbError | undefined,
): () => void {
  const original = Reflect.get(module, name) as AnyFunction
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    const error = check(name, args)
    return error === undefined ? original.apply(this, args) : fail(error, args)
  }
  Reflect.set(module, name, Object.assign(guarded, original))
  return () => void Reflect.set(module, name, original)
}

function throwIt(error: SessionDbError): never {
  throw error
}

function callBack(error: SessionDbError, args: readonly unknown[]): void {
  const callback = args.at(-1)
  if (typeof callback !== 'function') throw error
  process.nextTick(callback as AnyFunction, error)
}

/** The path of a call's argument. Longer strings are data to write. */
function asPath(value: unknown): string | undefined {
  if (typeof value === 'string') return value.length < 4_096 ? value : undefined
  if (value instanceof URL && value.protocol === 'file:') return fileURLToPath(value)
  return Buffer.isBuffer(value) && value.length < 4_096 ? value.toString() : undefined
}
