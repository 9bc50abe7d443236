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

type Plugin = NonNullable<Options['plugins']>[number]

/** Leaves what `index` exports in the files that the browser build makes of it. */
const browserFiles: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'browser-files',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\// }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined
      const name = basename(path.replace(/\/index\.ts$/, ''), '.ts')
      return { path: `./browser/${name}.js`, external: true }
    })
  },
}

/** Has CommonJS files require files of their own kind. */
const requiredFiles: Plugin = {
  name: 'required-files',
  renderChunk(code, { map }) {
    if (this.format !== 'cjs') return undefined
    return { code: code.replaceAll(/(\.\/browser\/[\w-]+)\.js/g, '$1.cjs'), map: map ?? null }
  },
}

export default defineConfig([
  {
    ...shared,
    name: 'browser',
    // What `index` consists of, and more: files of their own, so that bundlers can leave each away.
    entry: {
      'browser/errors': 'src/errors.ts',
      'browser/schema': 'src/schema/index.ts',
      'browser/shapes': 'src/shapes/index.ts',
      'browser/writes': 'src/writes/index.ts',
      'browser/commit-batch': 'src/collections/actions/commit-batch.ts',
      'browser/create-id': 'src/collections/create-id.ts',
      'browser/create-session-collections': 'src/collections/create-session-collections.ts',
      'browser/create-outbox': 'src/collections/outbox/create-outbox.ts',
      'browser/timeline-query': 'src/collections/windows/timeline-query.ts',
    },
    dts: false,
    format: ['esm', 'cjs'],
    platform: 'browser',
    esbuildPlugins: [portableGuard, browserGuard],
  },
  {
    ...shared,
    name: 'index',
    entry: { index: 'src/index.ts' },
    format: ['esm', 'cjs'],
    platform: 'browser',
    plugins: [requiredFiles],
    esbuildPlugins: [browserFiles],
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
