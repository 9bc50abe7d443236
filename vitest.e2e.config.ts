import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    fileParallelism: false,
    // A browser and two servers share the machine: what is to come may take its time.
    expect: { poll: { timeout: 15_000 } },
  },
})
