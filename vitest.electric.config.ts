import { defineConfig } from 'vitest/config'

for (const name of ['DATABASE_URL', 'ELECTRIC_URL']) {
  if (!process.env[name]) {
    throw new Error(
      `Set ${name}: npm run test:electric runs against an Electric and its Postgres that are up already ` +
        '(DATABASE_URL, ELECTRIC_URL, and ELECTRIC_SECRET where it has one).',
    )
  }
}

/** The whole way of the data on the real engine: store, proxy, shape streams, collections. */
export default defineConfig({
  test: {
    include: ['test/integration/collections/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
