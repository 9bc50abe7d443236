import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/build-app.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Each file has its own demo and browser. Most of their time is spent waiting for long polls to
    // end, so two files share two cores well.
    maxWorkers: 2,
    expect: { poll: { timeout: 60_000 } },
  },
})
