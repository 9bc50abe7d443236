import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeLegacyPaths, findLegacyPaths, type LegacyPathUse } from './legacy-files.ts'

export interface LegacySnapshotGuardOptions {
  /** Files that may name the snapshots: parts of their paths, or patterns. */
  readonly allow?: readonly (string | RegExp)[]
}

/** The plugin; it fits Vite and Rollup. */
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
  /** Vite builds client and server in one process. */
  readonly environment?: { readonly name: string }
}

/**
 * A Vite or Rollup plugin that fails the build, with file and line, when the code still names a legacy
 * snapshot. It does nothing in development.
 *
 * @example
 * // vite.config.ts
 * export default defineConfig({ plugins: [legacySnapshotGuard(), tanstackStart()] })
 */
export function legacySnapshotGuard(options: LegacySnapshotGuardOptions = {}): LegacySnapshotGuard {
  const found = new Map<string, LegacyPathUse[]>()
  const key = ({ environment }: GuardContext) => environment?.name ?? ''
  return {
    name: 'session-db:legacy-snapshot-guard',
    enforce: 'pre',
    apply: 'build',
    buildStart() {
      found.set(key(this), [])
    },
    transform(code, id) {
      if (!isAppCode(id) || isAllowed(id, options.allow ?? [])) return null
      const file = id.replace(/[?#].*$/s, '')
      // The file itself if there is one: another plugin may have moved its lines.
      const uses = findLegacyPaths([{ file, code: onDisk(file) ?? code }])
      found.get(key(this))?.push(...uses)
      return null
    },
    buildEnd(error) {
      const uses = found.get(key(this)) ?? []
      if (error === undefined && uses.length > 0) this.error(describeLegacyPaths(uses))
    },
  }
}

function onDisk(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const OWN_CODE = fileURLToPath(new URL('.', import.meta.url))

function isAppCode(id: string): boolean {
  if (id.startsWith('\0') || id.includes('/node_modules/') || id.startsWith(OWN_CODE)) return false
  return /\.(?:[cm]?[jt]sx?|vue|svelte|astro)(?:$|\?)/.test(id)
}

function isAllowed(id: string, allow: readonly (string | RegExp)[]): boolean {
  return allow.some((part) => (typeof part === 'string' ? id.includes(part) : part.test(id)))
}
