import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { defineConfig, type Options } from 'tsup'
import { browserGuard, portableGuard } from './tsup.guards.ts'

const dts = { compilerOptions: { ignoreDeprecations: '6.0' } }

const shared: Options = {
  target: 'es2023',
  sourcemap: true,
  clean: false,
  treeshake: true,
  splitting: true,
  dts,
}

const nameOf = (path: string): string => basename(path.replace(/\/index\.ts$/, ''), '.ts')

/** The files that `index` consists of, by name. Bundlers leave out those an app doesn't use. */
const browserFiles = Object.fromEntries(
  [...readFileSync('src/index.ts', 'utf8').matchAll(/^export (?!type)[^']* from '\.\/(.+)'/gm)].map(
    ([, path = '']) => [nameOf(path), `src/${path}`],
  ),
)

/**
 * Keeps `index` a list of `export * from './browser/…'`. esbuild splits apps by file: from an index
 * that lists names, a page that uses one error class would load 69 kB instead of 9 kB (minified).
 */
const exportFiles: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'export-files',
  setup({ onResolve, initialOptions }) {
    const extension = initialOptions.outExtension?.['.js'] ?? '.js'
    onResolve({ filter: /^\.\// }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined
      return { path: `./browser/${nameOf(path)}${extension}`, external: true }
    })
  },
}

export default defineConfig([
  {
    ...shared,
    name: 'browser',
    entry: Object.fromEntries(
      Object.entries(browserFiles).map(([name, path]) => [`browser/${name}`, path]),
    ),
    dts: false,
    format: ['esm', 'cjs'],
    platform: 'browser',
    esbuildPlugins: [portableGuard, browserGuard],
    esbuildOptions(options) {
      // esbuild would replace it here already; the app's bundler must.
      options.define = { ...options.define, 'process.env.NODE_ENV': 'process.env.NODE_ENV' }
    },
  },
  {
    ...shared,
    name: 'index',
    entry: { index: 'src/index.ts' },
    format: ['esm', 'cjs'],
    platform: 'browser',
    esbuildPlugins: [exportFiles],
  },
  {
    ...shared,
    name: 'devtools',
    entry: { devtools: 'src/devtools.ts' },
    format: ['esm', 'cjs'],
    platform: 'browser',
    esbuildPlugins: [portableGuard, browserGuard],
  },
  {
    ...shared,
    name: 'proxy',
    entry: { proxy: 'src/proxy.ts' },
    format: ['esm', 'cjs'],
    platform: 'neutral',
    esbuildPlugins: [portableGuard],
  },
  {
    ...shared,
    name: 'node',
    entry: {
      server: 'src/server.ts',
      s3: 'src/s3.ts',
      metrics: 'src/metrics.ts',
      dev: 'src/dev/index.ts',
      vite: 'src/vite.ts',
    },
    format: ['esm', 'cjs'],
    platform: 'node',
    shims: true,
  },
  {
    ...shared,
    name: 'testing',
    // Apart from `node`: its declarations import msw, which users of the server need not have.
    entry: { testing: 'src/testing/index.ts' },
    format: ['esm', 'cjs'],
    platform: 'node',
    shims: true,
  },
  {
    ...shared,
    name: 'cli',
    entry: { cli: 'src/cli/main.ts' },
    format: ['esm'],
    platform: 'node',
    dts: false,
    banner: { js: '#!/usr/bin/env node' },
  },
  {
    ...shared,
    name: 'postgres-supervisor',
    entry: { 'postgres-supervisor': 'src/dev/postgres/supervisor.ts' },
    format: ['esm'],
    platform: 'node',
    dts: false,
    sourcemap: false,
  },
])
