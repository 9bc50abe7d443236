import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SessionDbError } from '../../../src/errors.ts'
import { createSessionStore, runWrite } from '../../../src/server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { openDatabase, storeDrivers } from './store-drivers.ts'

const ada = { tenantId: 'acme', userId: 'ada' }

let empty: TestDatabase
beforeAll(async () => {
  empty = await freshDatabase()
})
afterAll(() => empty.drop())

function changed(change: (url: URL) => void): string {
  const url = new URL(empty.url)
  change(url)
  return url.href
}

const cases: [name: string, url: () => string, explanation: string][] = [
  [
    'a port where nothing listens',
    () =>
      changed((url) => {
        url.port = '1'
      }),
    'Nothing listens at',
  ],
  [
    'an unknown host',
    () =>
      changed((url) => {
        url.hostname = 'nowhere.invalid'
      }),
    'The host nowhere.invalid cannot be found.',
  ],
  [
    'a wrong password',
    () =>
      changed((url) => {
        url.password = 'wrong'
      }),
    'Postgres refused the password',
  ],
  [
    'an unknown database',
    () =>
      changed((url) => {
        url.pathname = '/nowhere'
      }),
    'The database does not exist',
  ],
  ['a database without tables', () => empty.url, 'Run `session-db migrate`.'],
]

describe.each(storeDrivers)('a store over %s explains', (driver) => {
  test.each(cases)('%s', async (_, url, explanation) => {
    const { database, close } = openDatabase(driver, url())
    const store = createSessionStore({ database })
    const reported: unknown[] = []
    const value = { id: 's1', title: 'A', source: 'upload', format: 'codex' } as const
    const batch = {
      id: 'b1',
      mutations: [{ collection: 'sessions', type: 'insert', value }],
    } as const
    const outcome = await runWrite(store as never, ada, batch as never, {
      onError: (error) => reported.push(error),
    })
    await store.close()
    await close().catch(() => undefined)
    expect(outcome).toMatchObject({ error: { code: 'unavailable' } })
    const [error] = reported
    expect(error).toBeInstanceOf(SessionDbError)
    const { message, cause } = error as SessionDbError
    expect(`${message} ${(cause as Error).message}`).toContain(explanation)
    // Clients see no host, role or database.
    const host = new URL(url()).hostname
    for (const secret of [host, new URL(empty.url).username, '/nowhere']) {
      expect(JSON.stringify(outcome)).not.toContain(secret)
    }
  })
})
