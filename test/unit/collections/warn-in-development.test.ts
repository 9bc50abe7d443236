import { afterEach, expect, test, vi } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { SessionDbError } from '../../../src/errors.ts'

const refusing = async () => {
  throw new SessionDbError('forbidden', "You don't have permission to add this session.")
}

function open(onError?: (error: SessionDbError) => void) {
  return createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    writeAdapter: refusing,
    ...(onError && { onError }),
  })
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

async function refusedWrites(db: ReturnType<typeof open>): Promise<void> {
  for (const title of ['One', 'Two']) {
    await db.actions.createSession({ title }).committed.catch(() => undefined)
  }
  await db.cleanup()
}

test('a refused write warns once in development, with code and message', async () => {
  vi.stubEnv('NODE_ENV', 'development')
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  await refusedWrites(open())
  expect(warn).toHaveBeenCalledTimes(1)
  expect(warn.mock.calls[0]?.[0]).toMatch(/^session-db: forbidden: You don't have permission/)
})

test.each(['production', 'test', undefined])('nothing warns with NODE_ENV %s', async (value) => {
  vi.stubEnv('NODE_ENV', value)
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  await refusedWrites(open())
  expect(warn).not.toHaveBeenCalled()
})

test('nothing warns if the app handles errors', async () => {
  vi.stubEnv('NODE_ENV', 'development')
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const onError = vi.fn()
  await refusedWrites(open(onError))
  expect(warn).not.toHaveBeenCalled()
  expect(onError).toHaveBeenCalledTimes(2)
})
