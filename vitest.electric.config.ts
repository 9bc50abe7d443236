import { defineConfig } from 'vitest/config'

/** The whole way of the data on the real engine: store, proxy, shape streams, collections. */
export default defineConfig({
  test: {
    include: ['test/integration/collections/*.test.ts'],
    globalSetup: ['test/support/require-electric.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // What is to come may take its time where two slow cores run everything at once.
    expect: { poll: { timeout: 30_000 } },
    fileParallelism: false,
  },
})
