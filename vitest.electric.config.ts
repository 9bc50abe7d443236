import { defineConfig } from 'vitest/config'

/** The whole way of the data on the real engine: store, proxy, shape streams, collections. */
export default defineConfig({
  test: {
    include: ['test/integration/collections/*.test.ts'],
    globalSetup: ['test/support/require-electric.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
