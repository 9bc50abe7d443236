import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import type { SessionDbError } from '../../../src/errors.ts'
import type { Mutation } from '../../../src/writes/index.ts'
import { checkLimits } from '../../../src/writes/limits.ts'
import { cases, fc } from '../../support/property.ts'

const text = fc.string({ unit: fc.constantFrom('a', '"', '\n', 'é', '€', '👋'), maxLength: 40 })

function message(content: string, part: string): Mutation {
  const value = { id: 'm', threadId: 't', role: 'user' as const, content, parts: [part] }
  return { collection: 'chatMessages', type: 'insert', value }
}

function refusalOf(check: () => void): unknown {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as SessionDbError).details?.name
  }
}

test('refuses a batch exactly if its UTF-8 bytes exceed a limit', () => {
  fc.assert(
    fc.property(text, text, fc.nat(300), fc.nat(600), (content, part, most, mostOfBatch) => {
      const mutations = [message(content, part)]
      const json = JSON.stringify(mutations)
      const limits = { maxMessageBytes: most, maxBatchBytes: mostOfBatch, maxMutations: 1 }
      const bytes = Buffer.byteLength(content) + Buffer.byteLength(JSON.stringify([part]))
      const expected =
        Buffer.byteLength(json) > mostOfBatch
          ? 'maxBatchBytes'
          : bytes > most
            ? 'maxMessageBytes'
            : undefined
      expect(refusalOf(() => checkLimits(mutations, json, limits))).toBe(expected)
    }),
    { numRuns: cases(500, 5_000) },
  )
})
