import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/build-app.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // One file at a time: a browser and the servers of two demos are more than two cores can serve.
    fileParallelism: false,
    expect: { poll: { timeout: 60_000 } },
  },
})
