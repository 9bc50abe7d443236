import { expect, test } from 'vitest'
import { usageIn } from '../../../src/chat/message-usage.ts'

test('a long name of a model is cut between characters', () => {
  const messageMetadata = { usage: { inputTokens: 1 }, model: `m${'😀'.repeat(300)}` }
  expect(usageIn({ type: 'finish', ...{ messageMetadata } })).toEqual({
    inputTokens: 1,
    model: `m${'😀'.repeat(255)}`,
  })
})

test('counts that are no counts are left out', () => {
  const usage = { inputTokens: -1, outputTokens: 1.5, reasoningTokens: Number.NaN }
  const messageMetadata = { usage, cost: Number.POSITIVE_INFINITY, responseId: '' }
  expect(usageIn({ type: 'finish', ...{ messageMetadata } })).toBeUndefined()
})
