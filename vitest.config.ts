import { defineConfig } from 'vitest/config'

// One seed for all property tests of a run, so that a failure can be repeated: SEED=… npm test
process.env.SEED ??= String(Math.floor(Math.random() * 2 ** 31))
if (process.env.VITEST_WORKER_ID === undefined)
  console.log(`Property tests: SEED=${process.env.SEED}`)

/** Returns a project that runs on the newest TanStack DB; others have the one that Electric's collection pins. */
export const onNewestDb = (name: string, include: string[], globalSetup: string[] = []) => ({
  extends: true as const,
  resolve: {
    alias: [
      { find: /^@tanstack\/db$/, replacement: 'tanstack-db-newest' },
      { find: /^@tanstack\/react-db$/, replacement: 'tanstack-react-db-newest' },
    ],
  },
  test: {
    name,
    include,
    globalSetup,
    // Only files that Vite transforms see the alias.
    server: { deps: { inline: ['@tanstack/electric-db-collection', 'tanstack-react-db-newest'] } },
  },
})

export default defineConfig({
  test: {
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Two slow cores run everything at the same time, so conditions may take a while to hold.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.{ts,tsx}'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,conformance,security}/**/*.test.{ts,tsx}'],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      onNewestDb('newest-db', [
        'test/unit/collections/{actions,initial-rows,live-query,native-mutations,optimistic-overlay,timeline-view}.test.ts',
        'test/unit/collections/hydration.test.tsx',
      ]),
    ],
  },
})
