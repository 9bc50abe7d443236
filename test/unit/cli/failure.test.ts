import { expect, test } from 'vitest'
import { describeFailure } from '../../../src/cli/failure.ts'
import { SessionDbError } from '../../../src/errors.ts'

test('a typed error keeps its code, message and details', () => {
  const error = new SessionDbError('conflict', 'In use.', { details: { pid: 7 } })
  expect(describeFailure(error)).toEqual({
    code: 'conflict',
    message: 'In use.',
    details: { pid: 7 },
  })
})

test('a missing optional package is named with the version to install', () => {
  const error = Object.assign(
    new Error("Cannot find package 'pg-logical-replication' imported from /app/dist/dev.js"),
    { code: 'ERR_MODULE_NOT_FOUND' },
  )
  expect(describeFailure(error).message).toMatch(
    /needs the package pg-logical-replication, .* npm install "pg-logical-replication@\^2/,
  )
})

test.each([
  [Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  [new TypeError(''), 'TypeError'],
  ['thrown text', 'thrown text'],
])('an error without a message still says something: %s', (error, message) => {
  expect(describeFailure(error)).toEqual({ code: 'failed', message })
})

test('a database without the tables says which command makes them', () => {
  const error = Object.assign(new Error('relation "sessions" does not exist'), { code: '42P01' })
  expect(describeFailure(error).message).toBe(
    'relation "sessions" does not exist. Create the tables first: session-db migrate',
  )
})
