import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { md5 } from '../../../src/dev/protocol/md5.ts'
import { fc } from '../../support/property.ts'

test('returns the same md5 as node:crypto for any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      expect(md5(text)).toBe(createHash('md5').update(text).digest('hex'))
    }),
  )
})
