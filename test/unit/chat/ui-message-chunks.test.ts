import * as ai7 from 'ai'
import * as ai6 from 'ai6'
import { describe, expect, test } from 'vitest'
import { createChunkSource, type GrowingMessage } from '../../../src/chat/ui-message-chunks.ts'
import type { JsonObject, JsonValue } from '../../../src/schema/index.ts'
import { cases, fc } from '../../support/property.ts'

type Chunk = { readonly type: string; readonly [key: string]: unknown }

const signature = fc.constantFrom<JsonObject>(
  { anthropic: { signature: 'sig', redactedData: 'xx' } },
  { google: { thoughtSignature: 's' } },
  { openai: { itemId: 'rs_1', reasoningEncryptedContent: null } },
)
const maybeSignature = fc.option(signature, { nil: undefined })
const optional = <T>(value: T) => fc.option(fc.constant(value), { nil: undefined })

const textBlock = fc
  .record({
    kind: fc.constantFrom('text', 'reasoning'),
    id: fc.constantFrom('0', '1'),
    words: fc.array(fc.constantFrom('Hello ', 'é', '👋', ''), { maxLength: 4 }),
    first: maybeSignature,
    last: maybeSignature,
  })
  .map(({ kind, id, words, first, last }): Chunk[] => [
    { type: `${kind}-start`, id, providerMetadata: first },
    ...words.map((delta) => ({ type: `${kind}-delta`, id, delta })),
    { type: `${kind}-end`, id, providerMetadata: last },
  ])

const INPUT = '{"city":"Bern","n":[1,2]}'
const toolBlock = fc
  .record({
    toolCallId: fc.uuid(),
    toolName: fc.constantFrom('search', 'read'),
    dynamic: optional(true),
    isStreamed: fc.boolean(),
    cut: fc.nat(INPUT.length),
    providerExecuted: optional(true),
    providerMetadata: maybeSignature,
    approval: fc.constantFrom(undefined, 'asked', true, false),
    end: fc.constantFrom('open', 'output', 'preliminary', 'error', 'invalid', 'denied'),
  })
  .map(({ toolCallId, toolName, dynamic, approval, end, cut, ...call }): Chunk[] => {
    const { isStreamed, providerExecuted, providerMetadata } = call
    const name = { toolCallId, toolName, dynamic, providerExecuted }
    const chunks: Chunk[] = []
    if (isStreamed) {
      chunks.push({ type: 'tool-input-start', ...name })
      for (const inputTextDelta of [INPUT.slice(0, cut), INPUT.slice(cut)]) {
        chunks.push({ type: 'tool-input-delta', toolCallId, inputTextDelta })
      }
    }
    if (end === 'invalid') {
      const error = { input: { city: 1 }, errorText: 'Invalid input' }
      return [...chunks, { type: 'tool-input-error', ...name, ...error }]
    }
    const input = JSON.parse(INPUT)
    chunks.push({ type: 'tool-input-available', ...name, input, providerMetadata })
    if (approval !== undefined) {
      chunks.push({ type: 'tool-approval-request', approvalId: `a-${toolCallId}`, toolCallId })
    }
    if (typeof approval === 'boolean') {
      const approvalId = `a-${toolCallId}`
      chunks.push({ type: 'tool-approval-response', approvalId, approved: approval })
    }
    if (end === 'error') chunks.push({ type: 'tool-output-error', toolCallId, errorText: 'no' })
    if (end === 'denied') chunks.push({ type: 'tool-output-denied', toolCallId })
    if (end === 'preliminary') {
      chunks.push({ type: 'tool-output-available', toolCallId, output: 'a', preliminary: true })
    }
    if (end === 'output' || end === 'preliminary') {
      chunks.push({ type: 'tool-output-available', toolCallId, output: { rows: [1, null] } })
    }
    return chunks
  })

const otherBlock = fc.constantFrom<Chunk[]>(
  [{ type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AAAA' }],
  [{ type: 'source-url', sourceId: 's1', url: 'https://a.test' }],
  [{ type: 'source-document', sourceId: 's2', mediaType: 'text/plain', title: 'B' }],
  [
    { type: 'data-note', id: 'd1', data: { n: 1 } },
    { type: 'data-note', id: 'd1', data: { n: 2 } },
  ],
  [{ type: 'data-note', data: 'x' }],
  [{ type: 'message-metadata', messageMetadata: { usage: { tokens: 3 } } }],
)

/** The chunks of an answer. A step that is tried again drops what it had written, which only the AI SDK 7 does. */
const answerOf = (canRetry: boolean) =>
  fc
    .array(fc.array(fc.oneof(textBlock, toolBlock, otherBlock), { maxLength: 5 }), { maxLength: 3 })
    .chain((steps) =>
      fc.record({
        steps: fc.constant(steps),
        isRetried: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      }),
    )
    .map(({ steps, isRetried }) =>
      steps.flatMap((blocks, index): Chunk[] => [
        { type: 'start-step' },
        ...(canRetry && isRetried[index] ? [...(blocks[0] ?? []), { type: 'reset-step' }] : []),
        ...blocks.flat(),
        { type: 'finish-step' },
      ]),
    )

/** The SDK yields the start of a step only with the next change. */
const LAST = { type: 'message-metadata', messageMetadata: { last: true } }

interface Message {
  readonly metadata?: JsonObject
  readonly parts: readonly JsonValue[]
}

/** The states of a message that the SDK makes of chunks, the empty one first. */
async function statesOf(
  ai: Pick<typeof ai7, 'readUIMessageStream'>,
  chunks: readonly object[],
  before: readonly JsonValue[] = [],
): Promise<Message[]> {
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
  const states: Message[] = [{ parts: before }]
  const message = structuredClone({ id: 'm1', role: 'assistant', metadata: {}, parts: before })
  const options = {
    message,
    stream,
    onError(error: unknown) {
      throw error
    },
  }
  for await (const next of ai.readUIMessageStream(options as never)) {
    states.push(JSON.parse(JSON.stringify(next)) as Message)
  }
  return states
}

function growing({ parts, metadata = {} }: Message, status: GrowingMessage['status']) {
  return { id: 'm1', role: 'assistant', content: '', parts, metadata, status } as const
}

describe.each([
  ['7', ai7, true, () => true],
  [
    '6',
    ai6 as unknown as typeof ai7,
    false,
    ({ type }: Chunk) => !/^(finish-step|tool-approval-response)$/.test(type),
  ],
])('with the AI SDK %s', (_, ai, canRetry, isKnown) => {
  const answer = answerOf(canRetry)

  test('a reader of the chunks has the stored message, whichever of its states were seen', async () => {
    await fc.assert(
      fc.asyncProperty(answer, fc.infiniteStream(fc.boolean()), async (chunks, isSeen) => {
        const states = await statesOf(ai, chunks.filter(isKnown))
        const last = states.at(-1) as Message
        const source = createChunkSource()
        const sent = states.flatMap((state) =>
          isSeen.next().value ? source.next(growing(state, 'streaming')) : [],
        )
        sent.push(...source.next(growing(last, 'complete')))
        const read = (await statesOf(ai, [...sent, LAST])).at(-1)
        expect(settled(read?.parts)).toEqual(settled(last.parts))
        expect(sent.at(-1)).toEqual({ type: 'finish' })
      }),
      { numRuns: cases(60, 10_000) },
    )
  })

  test('a reader of the rest has the stored message, wherever the answer was continued', async () => {
    await fc.assert(
      fc.asyncProperty(answer, answerOf(false), async (first, second) => {
        const before = ((await statesOf(ai, first.filter(isKnown))).at(-1) as Message).parts
        const rest = second.filter(isKnown)
        const states = await statesOf(ai, rest, before)
        const source = createChunkSource(before)
        const sent = states.flatMap((state) => source.next(growing(state, 'streaming')))
        const read = (await statesOf(ai, [...sent, LAST], before)).at(-1)
        expect(read?.parts).toEqual(states.at(-1)?.parts)
      }),
      { numRuns: cases(30, 5_000) },
    )
  })
})

/** Input that is still arriving is read in other pieces, and texts end with the message. */
function settled(parts: readonly JsonValue[] = []) {
  return parts.map((part) => {
    const { state, ...rest } = part as JsonObject
    return rest.type === 'text' ? rest : { state, ...rest }
  })
}

test('a message of text only is one part, and its end is the reason why it ended', () => {
  const source = createChunkSource()
  const base = { id: 'm1', role: 'assistant', parts: [], metadata: {} } as const
  expect(source.next({ ...base, content: 'Hel', status: 'streaming' })).toEqual([
    { type: 'start', messageId: 'm1' },
    { type: 'text-start', id: '0' },
    { type: 'text-delta', id: '0', delta: 'Hel' },
  ])
  const stream = { error: { code: 'failed', message: 'Overloaded' } }
  const failed = { ...base, content: 'Hello', metadata: { stream }, status: 'error' } as const
  expect(source.next(failed)).toEqual([
    { type: 'text-delta', id: '0', delta: 'lo' },
    { type: 'text-end', id: '0' },
    { type: 'error', errorText: 'Overloaded' },
  ])
  const aborted = { error: { code: 'aborted', message: 'Stopped.' } }
  const other = createChunkSource()
  expect(
    other
      .next({ ...base, content: '', status: 'error', metadata: { stream: aborted } })
      .map(({ type }) => type),
  ).toEqual(['start', 'abort'])
})

const call = { type: 'tool-search', toolCallId: 'c1', input: { city: 'Bern' } }
const typesOf = (chunks: readonly { readonly type: string }[]) => chunks.map(({ type }) => type)

test('a call that is repeated after a reset starts again', () => {
  const source = createChunkSource()
  const step = { type: 'step-start' }
  source.next(growing({ parts: [step, { ...call, state: 'input-available' }] }, 'streaming'))
  const again = { type: 'tool-search', toolCallId: 'c1', state: 'input-streaming' }
  const chunks = source.next(growing({ parts: [step, again] }, 'streaming'))
  expect(typesOf(chunks)).toEqual(['reset-step', 'tool-input-start'])
})

test('a call that failed before it was seen keeps its input', () => {
  const failed = { ...call, state: 'output-error', errorText: 'no' }
  const chunks = createChunkSource().next(growing({ parts: [failed] }, 'streaming'))
  expect(typesOf(chunks)).toEqual(['start', 'tool-input-available', 'tool-output-error'])
})
