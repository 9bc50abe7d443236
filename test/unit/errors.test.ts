import { expect, test, vi } from 'vitest'
import { SessionDbError } from '../../src/errors.ts'

test('instanceof recognises errors of another copy of the library', async () => {
  vi.resetModules()
  const other = await import('../../src/errors.ts')
  const error: unknown = new other.SessionDbError('conflict', 'changed meanwhile')
  expect(other.SessionDbError).not.toBe(SessionDbError)
  expect(error instanceof SessionDbError && error.status).toBe(409)
  expect(new Error('plain') instanceof SessionDbError).toBe(false)
  expect(({ code: 'conflict' } as unknown) instanceof SessionDbError).toBe(false)
})
