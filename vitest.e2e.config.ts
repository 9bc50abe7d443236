import { defineConfig } from 'vitest/config'

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
