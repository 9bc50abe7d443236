import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// `NEWEST_DB=1 npm run test:e2e` runs the app and the tests' own pages on the newest TanStack DB.
if (process.env.NEWEST_DB === '1') {
  process.env.VITE_CONFIG = resolve(
    import.meta.dirname,
    'test/e2e/support/newest-db.vite.config.ts',
  )
}

// Files that take minutes start first, so that no processor waits for one at the end.
const LONGEST_FIRST = ['screens', 'chats', 'accessibility', 'accounts', 'outages']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONGEST_FIRST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return index < 0 ? LONGEST_FIRST.length : index
    }
    return files.toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/build-app.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Most stories wait for a network that is cut or a lock that ends, so two files at a time fit two cores.
    maxWorkers: 2,
    expect: { poll: { timeout: 60_000 } },
  },
})
