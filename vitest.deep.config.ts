import { mergeConfig } from 'vitest/config'
import usual from './vitest.config.ts'

// The same tests with many more cases each (`cases` in test/support/property.ts). Takes hours.
process.env.DEEP = '1'

export default mergeConfig(usual, { test: { testTimeout: 7_200_000, hookTimeout: 600_000 } })
