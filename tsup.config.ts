import { defineConfig, type Options } from 'tsup'
import { browserGuard } from './tsup.browser-guard.ts'

const shared: Options = {
  target: 'es2023',
  sourcemap: true,
  clean: false,
  treeshake: true,
  splitting: true,
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
}

export default defineConfig([
  {
    ...shared,
    name: 'browser',
    entry: { index: 'src/index.ts' },
    format: ['esm', 'cjs'],
    platform: 'browser',
    esbuildPlugins: [browserGuard],
  },
  {
    ...shared,
    name: 'node',
    entry: {
      server: 'src/server.ts',
      s3: 'src/s3.ts',
      metrics: 'src/metrics.ts',
      testing: 'src/testing/index.ts',
      dev: 'src/dev/index.ts',
      vite: 'src/legacy/guard/vite.ts',
    },
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
    entry: { 'postgres-supervisor': 'src/dev/embedded-postgres/supervisor.ts' },
    format: ['esm'],
    platform: 'node',
    dts: false,
    sourcemap: false,
  },
])
