import { mergeConfig } from 'vitest/config'
import usual, { onNewestDb } from './vitest.config.ts'
import browser from './vitest.e2e.config.ts'

// The same tests with many more cases each (`cases` in test/support/property.ts), and the browser stories
// that are too long for each change. Takes hours. `DEEP=0` tries as few cases as `npm test`.
process.env.DEEP ??= '1'

export default mergeConfig(usual, {
  test: {
    testTimeout: 7_200_000,
    hookTimeout: 600_000,
    projects: [
      onNewestDb(
        'newest-db-deep',
        // That of two copies needs the other version beside this one.
        [
          'test/{unit,integration}/collections/!(one-tanstack-db).test.{ts,tsx}',
          'test/unit/testing/*.test.ts',
        ],
        ['test/support/global-setup.ts'],
      ),
      // After all others, because a browser and its servers need both processors.
      mergeConfig(browser, { test: { name: 'e2e', sequence: { groupOrder: 1 } } }),
    ],
  },
})
