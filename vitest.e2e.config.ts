import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

// `NEWEST_DB=1 npm run test:e2e` runs the app and the tests' own pages on the newest TanStack DB.
if (process.env.NEWEST_DB === '1') {
  process.env.VITE_CONFIG = resolve(
    import.meta.dirname,
    'test/e2e/support/newest-db.vite.config.ts',
  )
}

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/build-app.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Most stories wait for a network that is cut or a lock that ends, so two files at a time fit two cores.
    maxWorkers: 2,
    expect: { poll: { timeout: 60_000 } },
  },
})
