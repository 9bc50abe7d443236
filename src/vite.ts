/** The entry `@org/session-db/vite`: plugins for the build of an app. */
import { createRequire } from 'node:module'
import { join } from 'node:path'

export {
  type LegacySnapshotGuard,
  type LegacySnapshotGuardOptions,
  legacySnapshotGuard,
} from './legacy/guard/vite-plugin.ts'

/** The plugin of `debugPackage`. */
export interface DebugPackage {
  readonly name: string
  readonly enforce: 'post'
  config(config: { readonly root?: string }): DebugAlias | undefined
}

/** The alias that the plugin adds to Vite's configuration. */
export interface DebugAlias {
  readonly resolve: { readonly alias: { find: RegExp; replacement: string }[] }
}

/**
 * A Vite plugin for apps with Nitro 3. Nitro replaces the package `debug` by a stub without `debug.debug`,
 * which `@tanstack/electric-db-collection` calls: pages fail with "debug is not a function". The plugin
 * loads the real package again. It changes nothing where that is not installed.
 *
 * @example
 * // vite.config.ts
 * export default defineConfig({ plugins: [tanstackStart(), nitro(), react(), debugPackage()] })
 */
export function debugPackage(): DebugPackage {
  return {
    name: 'session-db:debug-package',
    // After Nitro, so that this alias is found first.
    enforce: 'post',
    config({ root = process.cwd() }) {
      const replacement = pathOfDebug(root)
      if (replacement === undefined) return undefined
      return { resolve: { alias: [{ find: /^debug$/, replacement }] } }
    },
  }
}

/** The file of the package as `@tanstack/electric-db-collection` finds it. */
function pathOfDebug(root: string): string | undefined {
  try {
    const electric = createRequire(join(root, 'package.json')).resolve(
      '@tanstack/electric-db-collection',
    )
    return createRequire(electric).resolve('debug')
  } catch {
    return undefined
  }
}
