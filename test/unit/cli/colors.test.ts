import { afterEach, expect, test, vi } from 'vitest'
import { colorsFor } from '../../../src/cli/colors.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  { isTTY: true, env: {}, colored: true },
  { isTTY: false, env: {}, colored: false },
  { isTTY: true, env: { NO_COLOR: '1' }, colored: false },
  { isTTY: true, env: { TERM: 'dumb' }, colored: false },
  { isTTY: false, env: { CI: 'true' }, colored: false },
  { isTTY: false, env: { FORCE_COLOR: '1' }, colored: true },
  { isTTY: true, env: { FORCE_COLOR: '0' }, colored: false },
  { isTTY: true, env: { FORCE_COLOR: '1', NO_COLOR: '1' }, colored: false },
])('%o', ({ isTTY, env, colored }) => {
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'CI']) vi.stubEnv(name, undefined)
  vi.stubEnv('TERM', 'xterm')
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  expect(colorsFor({ isTTY }).red('x') !== 'x').toBe(colored)
})
