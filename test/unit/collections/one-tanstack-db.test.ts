import { TanStackDBError as Other } from 'tanstack-db-newest'
import { expect, test } from 'vitest'
import { requireOneTanStackDb } from '../../../src/collections/sync/one-tanstack-db.ts'

test('accepts one copy, and names the paths of two with what to do', () => {
  expect(() => requireOneTanStackDb()).not.toThrow()
  expect(() => requireOneTanStackDb(Other)).toThrow(
    /session-db uses \S+\/node_modules\/tanstack-db-newest, and \S+ uses \S+\/node_modules\/@tanstack\/db\. .*overrides.*resolutions.*dedupe.*doctor/,
  )
})
