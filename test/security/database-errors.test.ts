import { expect, test } from 'vitest'
import { fromDatabaseError } from '../../src/server/store/errors.ts'

test.each(['22003', '22008', '22021', '22P02', '22P05'])(
  'the text of the database’s error %s does not reach a client',
  (code) => {
    const message = 'value "secret" is out of range for column hidden'
    const error = fromDatabaseError(Object.assign(new Error(message), { code, severity: 'ERROR' }))
    expect(error.code).toBe('invalid')
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/secret|hidden/)
  },
)
