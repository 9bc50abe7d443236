import * as ai7 from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import * as ai6 from 'ai6'
import { expect, test } from 'vitest'
import { type HistoryMessage, toModelMessages } from '../../../src/chat/model-messages.ts'
import type { JsonObject, JsonValue } from '../../../src/schema/index.ts'
import { cases, fc } from '../../support/property.ts'

const text = fc.constantFrom<JsonValue>('Hi', '', 1, null)
const id = fc.constantFrom<JsonValue>('c1', 'c2', '', 3)
const metadata = fc.constantFrom<JsonValue>({ a: { b: 1 } }, { a: 1 }, 'x', [], null)
const json = fc.constantFrom<JsonValue>({ city: 'Bern' }, 'x', 1, null, [])
const part = fc.oneof(
  fc.constantFrom<JsonValue>(null, 1, 'text', [], {}, { type: 'step-start' }, { type: 7 }),
  fc.record(
    {
      type: fc.constantFrom('text', 'reasoning', 'source-url', 'custom', 'steering-message', 'new'),
      text,
      id,
      kind: fc.constantFrom<JsonValue>('a.b', 1),
      state: fc.constantFrom('streaming', 'done'),
      providerMetadata: metadata,
      parts: json,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    {
      type: fc.constantFrom('file', 'reasoning-file'),
      mediaType: fc.constantFrom<JsonValue>('image/png', 'png', 2),
      url: fc.constantFrom<JsonValue>(
        'data:image/png;base64,AAAA',
        'data:',
        '/a.png',
        'ftp://a',
        1,
      ),
      providerMetadata: metadata,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record({ type: fc.constantFrom('data-a', 'data-b'), data: json }, { requiredKeys: ['type'] }),
  fc.record(
    {
      type: fc.constantFrom('tool-search', 'tool-', 'dynamic-tool'),
      toolName: fc.constantFrom<JsonValue>('search', '', 1),
      toolCallId: id,
      state: fc.constantFrom<JsonValue>(
        'input-streaming',
        'input-available',
        'approval-requested',
        'approval-responded',
        'output-available',
        'output-error',
        'output-denied',
        'new',
        1,
      ),
      input: json,
      rawInput: json,
      output: json,
      preliminary: fc.boolean(),
      errorText: text,
      providerExecuted: fc.constantFrom<JsonValue>(true, false, 'yes'),
      callProviderMetadata: metadata,
      resultProviderMetadata: metadata,
      approval: fc.oneof(
        json,
        fc.record(
          { id, approved: fc.constantFrom<JsonValue>(true, false, 1), reason: text },
          { requiredKeys: ['id'] },
        ),
      ),
    },
    { requiredKeys: ['type', 'toolCallId', 'state'] },
  ),
)
const message: fc.Arbitrary<HistoryMessage> = fc.record({
  id: fc.constant('m'),
  role: fc.constantFrom('system', 'user', 'assistant', 'tool'),
  content: fc.constantFrom('', 'Hello'),
  parts: fc.array(part as fc.Arbitrary<JsonValue>, { maxLength: 5 }),
  metadata: fc.constant({}),
  status: fc.constantFrom('complete', 'streaming', 'error'),
})

const question: HistoryMessage = {
  id: 'q',
  role: 'user',
  content: 'And now?',
  parts: [],
  metadata: {},
  status: 'complete',
}

const modelAnswering = () =>
  new MockLanguageModelV4({
    doGenerate: async () => ({
      content: [{ type: 'text', text: 'Yes.' }],
      finishReason: { unified: 'stop', raw: undefined },
      usage: {
        inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 1, text: 1, reasoning: 0 },
      },
      warnings: [],
    }),
  })

test('gives the model a history that the AI SDK accepts, whatever is stored', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 4 }), async (history) => {
      const messages = await toModelMessages([...history, question], ai7.convertToModelMessages)
      const { text: answer } = await ai7.generateText({ model: modelAnswering(), messages })
      expect(answer).toBe('Yes.')
      await toModelMessages(history, ai7.convertToModelMessages)
      await toModelMessages(history, ai6.convertToModelMessages)
    }),
    { numRuns: cases(500, 20_000) },
  )
})

const answer = (parts: JsonObject[], more: Partial<HistoryMessage> = {}): HistoryMessage => ({
  ...question,
  role: 'assistant',
  content: '',
  parts,
  ...more,
})

test('passes on complete parts unchanged', async () => {
  const parts = [
    { type: 'step-start' },
    { type: 'reasoning', text: 'Hm', providerMetadata: { google: { thoughtSignature: 's' } } },
    {
      type: 'tool-search',
      toolCallId: 'c1',
      state: 'output-available',
      input: { q: 1 },
      output: [2],
      callProviderMetadata: { google: { thoughtSignature: 't' } },
    },
    { type: 'text', text: 'Two.' },
  ]
  const direct = await ai7.convertToModelMessages([{ role: 'assistant', parts }] as never)
  const ours = await toModelMessages([answer(parts)], ai7.convertToModelMessages)
  expect(JSON.parse(JSON.stringify(ours).replaceAll(',"providerExecuted":false', ''))).toEqual(
    JSON.parse(JSON.stringify(direct)),
  )
})

test('closes calls without a result, except for those that the user has just decided on', async () => {
  const call = { type: 'tool-search', toolCallId: 'c1', input: {} }
  const stopped = answer([{ ...call, state: 'input-available' }])
  expect(await toModelMessages([stopped, question], ai7.convertToModelMessages)).toMatchObject([
    { role: 'assistant', content: [{ type: 'tool-call' }] },
    { role: 'tool', content: [{ type: 'tool-result', output: { type: 'error-text' } }] },
    { role: 'user' },
  ])
  const approval = { id: 'a1', approved: true }
  const approved = answer([{ ...call, state: 'approval-responded', approval }])
  expect(await toModelMessages([question, approved], ai7.convertToModelMessages)).toMatchObject([
    { role: 'user' },
    { content: [{ type: 'tool-call' }, { type: 'tool-approval-request' }] },
    { content: [{ type: 'tool-approval-response', approved: true }] },
  ])
})

test('leaves out system messages and answers in progress', async () => {
  const system = { ...question, role: 'system' } as const
  const streaming = answer([{ type: 'text', text: 'Wri' }], { status: 'streaming' })
  const messages = await toModelMessages([system, question, streaming], ai7.convertToModelMessages)
  expect(messages.map(({ role }) => role)).toEqual(['user'])
})
