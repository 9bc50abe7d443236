import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findLegacyPaths, type LegacyPathUse } from './find-legacy-paths.ts'

export interface LegacySnapshotGuardOptions {
  /** Files that may name the snapshots all the same: parts of paths, or patterns. */
  readonly allow?: readonly (string | RegExp)[]
}

/** The part of Vite's and Rollup's plugin interface that the guard needs; it fits both. */
export interface LegacySnapshotGuard {
  readonly name: string
  readonly enforce: 'pre'
  readonly apply: 'build'
  buildStart(this: GuardContext): void
  transform(this: GuardContext, code: string, id: string): null
  buildEnd(this: GuardContext & { error(message: string): never }, error?: Error): void
}

interface GuardContext {
  readonly meta: object
  /** Vite builds client and server in one process; each is looked at on its own. */
  readonly environment?: { readonly name: string }
  getCombinedSourcemap?(): object
}

/** A module as it came to the guard, and the way back where a plugin before it has changed it. */
interface GuardedModule {
  readonly code: string
  readonly map: object | undefined
}

/**
 * A Vite or Rollup plugin that fails the build, naming file and line, when code that goes into it
 * still makes the path of a legacy snapshot. It does nothing in development.
 *
 * @example
 * // vite.config.ts
 * export default defineConfig({ plugins: [legacySnapshotGuard(), tanstackStart()] })
 */
export function legacySnapshotGuard(options: LegacySnapshotGuardOptions = {}): LegacySnapshotGuard {
  const sources = new Map<string, Map<string, GuardedModule>>()
  const sourcesOf = ({ environment }: GuardContext): Map<string, GuardedModule> => {
    const name = environment?.name ?? ''
    const known = sources.get(name) ?? new Map<string, GuardedModule>()
    sources.set(name, known)
    return known
  }
  return {
    name: 'session-db:legacy-snapshot-guard',
    enforce: 'pre',
    apply: 'build',
    buildStart() {
      sourcesOf(this).clear()
    },
    transform(code, id) {
      if (!isAppCode(id) || isAllowed(id, options.allow ?? [])) return null
      const map = isAsWritten(code, id) ? undefined : this.getCombinedSourcemap?.()
      sourcesOf(this).set(id, { code, map })
      return null
    },
    buildEnd(error) {
      if (error !== undefined) return
      const modules = sourcesOf(this)
      const code = [...modules].map(([file, module]) => ({ file, code: module.code }))
      const uses = findLegacyPaths(code).map((use) => asWritten(use, modules.get(use.file)?.map))
      if (uses.length > 0) this.error(describeLegacyPaths(uses))
    },
  }
}

function isAsWritten(code: string, id: string): boolean {
  try {
    return readFileSync(id.replace(/[?#].*$/s, ''), 'utf8') === code
  } catch {
    return false
  }
}

/** Where a use stands in the file as somebody wrote it. */
function asWritten(use: LegacyPathUse, map: object | undefined): LegacyPathUse {
  const entry =
    map && new SourceMap(map as SourceMapPayload).findEntry(use.line - 1, use.column - 1)
  if (entry === undefined || !('originalLine' in entry)) return use
  const column = entry.originalColumn + (use.column - entry.generatedColumn)
  return { ...use, line: entry.originalLine + 1, column }
}

/**
 * Says where legacy snapshots are still named, and what to do, in several lines.
 *
 * @param from the directory that file names are shown from.
 */
export function describeLegacyPaths(uses: readonly LegacyPathUse[], from = process.cwd()): string {
  const lines = uses.map(({ file, line, column, path }) => {
    const shown = relative(from, file)
    return `  ${shown.startsWith('..') ? file : shown}:${line}:${column}  ${path}`
  })
  return [
    'Legacy chat snapshots are still read or written here:',
    ...lines,
    'The database is the system of record: use createSessionCollections or createLegacyStores instead.',
  ].join('\n')
}

const OWN_CODE = fileURLToPath(new URL('.', import.meta.url))

function isAppCode(id: string): boolean {
  if (id.startsWith('\0') || id.includes('/node_modules/') || id.startsWith(OWN_CODE)) return false
  return /\.(?:[cm]?[jt]sx?|vue|svelte|astro)(?:$|\?)/.test(id)
}

function isAllowed(id: string, allow: readonly (string | RegExp)[]): boolean {
  return allow.some((part) => (typeof part === 'string' ? id.includes(part) : part.test(id)))
}

export { findLegacyPaths, type LegacyPathUse }
