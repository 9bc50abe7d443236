import { expect, test } from 'vitest'
import { describeFailure } from '../../../src/cli/failure.ts'
import { SessionDbError } from '../../../src/errors.ts'

test('keeps code, message and details of a typed error', () => {
  const error = new SessionDbError('conflict', 'In use.', { details: { pid: 7 } })
  expect(describeFailure(error)).toEqual({
    code: 'conflict',
    message: 'In use.',
    details: { pid: 7 },
  })
})

test('names a missing optional package and the version to install', () => {
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
])('describes an error without a message: %s', (error, message) => {
  expect(describeFailure(error)).toEqual({ code: 'failed', message })
})

test('names the command that creates missing tables', () => {
  const error = Object.assign(new Error('relation "sessions" does not exist'), { code: '42P01' })
  expect(describeFailure(error).message).toBe(
    'relation "sessions" does not exist. Create the tables with: session-db migrate',
  )
})
