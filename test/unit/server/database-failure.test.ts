import { describe, expect, test } from 'vitest'
import { checkDatabaseUrl, explainConnectionError } from '../../../src/server/database-failure.ts'
import { createSessionStore } from '../../../src/server/index.ts'

const refusalOf = (database: string | undefined): string => {
  try {
    checkDatabaseUrl(database)
    return 'accepted'
  } catch (error) {
    return (error as Error).message
  }
}

describe('a database URL', () => {
  test.each([
    ['', /^The database URL is empty\. Set DATABASE_URL .* `npx session-db dev` prints one\.$/],
    [' ', /is empty/],
    [undefined, /is empty/],
    ['notaurl', /^DATABASE_URL is not a URL\. Write it as postgresql:/],
    ['localhost:5432', /is not a URL/],
    ['host=localhost dbname=app', /is not a URL/],
    ['mysql://ann:secret@host/app', /starts with mysql:\/\/, but this library needs Postgres/],
    ['http://host/app', /starts with http:\/\//],
    ['postgresql://ann:se%cret@ho st/app', /cannot be parsed.*percent-encoded/],
    ['postgresql://host:port/app', /cannot be parsed/],
  ])('%j is refused', (database, message) => {
    expect(refusalOf(database)).toMatch(message)
    expect(refusalOf(database)).not.toContain('secret')
  })

  test.each([
    'postgresql://ann:secret@host:5432/app?sslmode=verify-full',
    'postgres://host/app',
    'postgresql:///app?host=/var/run/postgresql',
    'postgresql://ann@/app?host=/var/run/postgresql',
    'postgresql://ann:secret@[::1]:5432/app',
    '/var/run/postgresql app',
    'socket:/var/run/postgresql?db=app',
  ])('%j is accepted', (database) => {
    expect(refusalOf(database)).toBe('accepted')
  })

  test('is checked when a store is created', () => {
    expect(() => createSessionStore({ database: '' })).toThrow('The database URL is empty')
    expect(() => createSessionStore({ database: 'mysql://host/app' })).toThrow('needs Postgres')
    const unset = { database: process.env.NOT_SET as unknown as string }
    expect(() => createSessionStore(unset)).toThrow('Set DATABASE_URL')
  })
})

test.each([
  [{ code: 'ECONNREFUSED', address: '127.0.0.1', port: 1 }, 'Nothing listens at 127.0.0.1:1.'],
  [
    { code: 'ECONNREFUSED', errors: [{ code: 'ECONNREFUSED', address: '::1', port: 5432 }] },
    'Nothing listens at ::1:5432.',
  ],
  [{ code: 'ENOTFOUND', hostname: 'db.nowhere' }, 'The host db.nowhere cannot be found.'],
  [{ code: 'ETIMEDOUT', address: '10.0.0.1', port: 5432 }, 'No answer from 10.0.0.1:5432.'],
  [{ message: 'timeout expired' }, 'No answer from the host in DATABASE_URL.'],
  [{ code: '28P01', message: 'password authentication failed for user "ann"' }, 'for user "ann"'],
  [
    { code: '28000', message: 'role "ann" does not exist' },
    'Postgres refused the login (role "ann"',
  ],
  [{ code: '3D000', message: 'database "app" does not exist' }, 'Create it, or correct its name'],
  [{ code: '53300', message: 'too many clients already' }, 'raise max_connections'],
  [{ message: 'The server does not support SSL connections' }, 'Remove sslmode from the URL'],
  [
    { message: 'Connection terminated unexpectedly' },
    'was closed (Connection terminated unexpectedly). Check that Postgres listens at',
  ],
  [{ code: 'ECONNRESET', message: 'read ECONNRESET' }, 'was closed (read ECONNRESET)'],
  [{ message: 'SASL: client password must be a string' }, 'Add it after the user'],
])('%o is explained', (error, text) => {
  expect(explainConnectionError(error)).toContain(text)
})

test('other errors are not about the connection', () => {
  expect(explainConnectionError({ code: '23505', message: 'duplicate key' })).toBeUndefined()
  expect(explainConnectionError(new Error('boom'))).toBeUndefined()
  expect(explainConnectionError(undefined)).toBeUndefined()
})
