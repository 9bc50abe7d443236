import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/{unit,integration,conformance,security}/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // What is to come may take its time where two slow cores run everything at once.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
  },
})
