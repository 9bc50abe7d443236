import { defineConfig } from 'vitest/config'

// One seed for all property tests of a run, so that a failure can be repeated: SEED=… npm test
process.env.SEED ??= String(Math.floor(Math.random() * 2 ** 31))
if (process.env.VITEST_WORKER_ID === undefined)
  console.log(`Property tests: SEED=${process.env.SEED}`)

export default defineConfig({
  test: {
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Two slow cores run everything at the same time, so conditions may take a while to hold.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,conformance,security}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
  },
})
