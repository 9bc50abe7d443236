import * as ai7 from 'ai'
import * as ai6 from 'ai6'
import { describe, expect, test } from 'vitest'
import { createChunkSource, type GrowingMessage } from '../../../src/chat/ui-message-chunks.ts'
import type { JsonObject, JsonValue } from '../../../src/schema/index.ts'
import { cases, fc } from '../../support/property.ts'
import { type Chunk, isOf6 } from './chunk-sequences.ts'

const signature = fc.constantFrom<JsonObject>(
  { anthropic: { signature: 'sig', redactedData: 'xx' } },
  { google: { thoughtSignature: 's' } },
  { openai: { itemId: 'rs_1', reasoningEncryptedContent: null } },
)
const maybeSignature = fc.option(signature, { nil: undefined })
const optional = <T>(value: T) => fc.option(fc.constant(value), { nil: undefined })

/** A block's chunks, given the place of its step and its own place in it, which tell its ids from others. */
type Block = (step: number, at: number, isMixed: boolean) => Chunk[]

const textBlock = fc
  .record({
    kind: fc.constantFrom('text', 'reasoning'),
    id: fc.constantFrom('0', '1'),
    words: fc.array(fc.constantFrom('Hello ', 'é', '👋', ''), { maxLength: 4 }),
    first: maybeSignature,
    last: maybeSignature,
    citations: optional([{ type: 'url', url: 'https://a.test' }]),
  })
  .map(
    ({ kind, id: usual, words, first, last, citations }): Block =>
      (_, at, isMixed) => {
        // Ids are used again after their end, as some providers do, unless blocks overlap.
        const id = isMixed ? `mixed-${at}` : usual
        const more = kind === 'text' ? { citations } : {}
        return [
          { type: `${kind}-start`, id, providerMetadata: first },
          ...words.map((delta) => ({ type: `${kind}-delta`, id, delta })),
          { type: `${kind}-end`, id, providerMetadata: last, ...more },
        ]
      },
  )

const INPUTS = ['{"city":"Bern","n":[1,2]}', '{"city":"Basel"}', 'null', '"text"']
const toolBlock = fc
  .record({
    toolName: fc.constantFrom('search', 'read'),
    dynamic: optional(true),
    json: fc.constantFrom(...INPUTS),
    isStreamed: fc.boolean(),
    cut: fc.nat(30),
    providerExecuted: optional(true),
    providerMetadata: maybeSignature,
    title: optional('Search'),
    toolMetadata: optional({ icon: 'lens' }),
    approval: fc.constantFrom(undefined, 'asked', true, false),
    request: fc.record(
      {
        approvalDescriptor: fc.constant({ path: '/a' }),
        inputSchemaInput: fc.constant({ city: 'B' }),
        reason: fc.constant('It writes.'),
        isAutomatic: fc.constant(true),
        signature: fc.constant('sig'),
      },
      { requiredKeys: [] },
    ),
    reason: optional('because'),
    result: fc.record(
      { providerMetadata: signature, providerExecuted: fc.constant(true) },
      { requiredKeys: [] },
    ),
    hasPreliminary: fc.boolean(),
    end: fc.constantFrom('open', 'output', 'empty', 'error', 'invalid', 'denied'),
  })
  .map(
    ({ json, cut, ...call }): Block =>
      (step, at) => {
        const { isStreamed, providerMetadata, approval, result, end, title, toolMetadata } = call
        const toolCallId = `c${step}-${at}`
        const { toolName, dynamic, providerExecuted } = call
        const name = { toolCallId, toolName, dynamic, providerExecuted, title, toolMetadata }
        const chunks: Chunk[] = []
        if (isStreamed) {
          chunks.push({ type: 'tool-input-start', ...name })
          for (const inputTextDelta of [json.slice(0, cut), json.slice(cut)]) {
            chunks.push({ type: 'tool-input-delta', toolCallId, inputTextDelta })
          }
        }
        const input = JSON.parse(json)
        if (end === 'invalid') {
          const { title: _, ...error } = { ...name, input, errorText: 'Invalid input' }
          return [...chunks, { type: 'tool-input-error', ...error }]
        }
        chunks.push({ type: 'tool-input-available', ...name, input, providerMetadata })
        const approvalId = `a-${toolCallId}`
        if (approval !== undefined) {
          chunks.push({ type: 'tool-approval-request', approvalId, toolCallId, ...call.request })
        }
        if (typeof approval === 'boolean') {
          const { reason } = call
          chunks.push({ type: 'tool-approval-response', approvalId, approved: approval, reason })
        }
        const output = { type: 'tool-output-available', toolCallId, ...result }
        if (end === 'denied') return [...chunks, { type: 'tool-output-denied', toolCallId }]
        if (end !== 'open' && call.hasPreliminary) {
          chunks.push({ ...output, output: 'a', preliminary: true })
          chunks.push({ ...output, output: 'ab', preliminary: true })
        }
        if (end === 'error') {
          chunks.push({ type: 'tool-output-error', toolCallId, errorText: 'no', ...result })
        }
        if (end === 'output') chunks.push({ ...output, output: { rows: [1, null] } })
        if (end === 'empty') chunks.push({ ...output, output: null })
        return chunks
      },
  )

const otherBlock = fc
  .constantFrom<Chunk[]>(
    [{ type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AAAA' }],
    [{ type: 'file', mediaType: 'image/png', url: '/b.png', providerMetadata: { a: { b: 1 } } }],
    [{ type: 'reasoning-file', mediaType: 'image/png', url: '/c.png' }],
    [{ type: 'custom', kind: 'x.y', providerMetadata: { x: { y: 1 } } }],
    [{ type: 'steering-message', id: 'u1', parts: [{ type: 'text', text: 'Shorter.' }] }],
    [{ type: 'source-url', sourceId: 's1', url: 'https://a.test' }],
    [{ type: 'source-url', sourceId: 's1', url: 'https://b.test', title: 'B' }],
    [{ type: 'source-document', sourceId: 's2', mediaType: 'text/plain', title: 'B' }],
    [
      { type: 'data-note', id: 'd1', data: { n: 1 } },
      { type: 'data-note', id: 'd1', data: { n: 2 } },
    ],
    [{ type: 'data-note', id: 'd1', data: { n: 3 } }],
    [{ type: 'data-note', id: 'd2', data: null }],
    [{ type: 'data-note', data: 'x' }],
    [{ type: 'data-note', data: 'y' }],
    [{ type: 'data-status', data: 'thinking', transient: true }],
    [{ type: 'message-metadata', messageMetadata: { usage: { tokens: 3 } } }],
  )
  .map(
    (chunks): Block =>
      () =>
        chunks,
  )

const blocks = fc.array(fc.oneof(textBlock, toolBlock, otherBlock), { maxLength: 5 })
const step = fc.record({
  blocks,
  /** The order in which the chunks of blocks that overlap come; none if they don't. */
  order: fc.option(fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }), { nil: undefined }),
  /** The attempt before, which broke off. It has other parts, and calls with the same ids. */
  attempt: fc.option(blocks, { nil: undefined }),
  brokeOffAt: fc.nat(20),
})

function mixed(blocks: readonly Chunk[][], order: readonly number[]): Chunk[] {
  const left = blocks.map((chunks) => [...chunks])
  const result: Chunk[] = []
  for (const pick of order) {
    const open = left.filter((chunks) => chunks.length > 0)
    result.push(...(open[pick % open.length]?.splice(0, 1) ?? []))
  }
  return [...result, ...left.flat()]
}

/** The chunks of an answer. A step that is tried again drops what it had written, which only the AI SDK 7 does. */
const answerOf = (canRetry: boolean, first = 0) =>
  fc.array(step, { maxLength: 3 }).map((steps) =>
    steps.flatMap(({ blocks, order, attempt, brokeOffAt }, index): Chunk[] => {
      const chunksOf = (all: readonly Block[]) =>
        all.map((block, at) => block(first + index, at, order !== undefined))
      const chunks = chunksOf(blocks)
      const broken = chunksOf(attempt ?? [])
        .flat()
        .slice(0, brokeOffAt)
      return [
        { type: 'start-step' },
        ...(canRetry && attempt ? [...broken, { type: 'reset-step' }] : []),
        ...(order ? mixed(chunks, order) : chunks.flat()),
        { type: 'finish-step' },
      ]
    }),
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
  ['6', ai6 as unknown as typeof ai7, false, isOf6],
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
      { numRuns: cases(60, 3_000) },
    )
  })

  test('a reader of the rest has the stored message, wherever the answer was continued', async () => {
    await fc.assert(
      fc.asyncProperty(answer, answerOf(false, 10), async (first, second) => {
        const before = ((await statesOf(ai, first.filter(isKnown))).at(-1) as Message).parts
        const rest = second.filter(isKnown)
        const states = await statesOf(ai, rest, before)
        const source = createChunkSource(before)
        const sent = states.flatMap((state) => source.next(growing(state, 'streaming')))
        const read = (await statesOf(ai, [...sent, LAST], before)).at(-1)
        expect(read?.parts).toEqual(states.at(-1)?.parts)
      }),
      { numRuns: cases(30, 2_000) },
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

test('an input of null is an input', () => {
  const part = { ...call, input: null, state: 'input-available' }
  expect(createChunkSource().next(growing({ parts: [part] }, 'streaming'))).toMatchObject([
    { type: 'start' },
    { type: 'tool-input-available', input: null },
  ])
})

const file = { type: 'file', mediaType: 'image/png', url: '/a.png' }
const done = { type: 'text', text: 'It is', state: 'done' }
const found = { ...call, state: 'output-available', output: 1, title: 'Search' }

test.each([
  ['a file', file, { ...file, url: '/b.png' }],
  ['a data part without an id', { type: 'data-a', data: 1 }, { type: 'data-a', data: 2 }],
  ['a text that had ended', done, { ...done, text: 'It is noon.', state: 'streaming' }],
  ['the input of a call', found, { ...found, input: { city: 'Basel' } }],
  ['a call with less', found, { ...call, state: 'output-available', output: 1 }],
  [
    'an approval',
    { ...call, state: 'approval-requested', approval: { id: 'a1', isAutomatic: true } },
    { ...call, state: 'approval-responded', approval: { id: 'a1', approved: true } },
  ],
])('begins the step again when %s is replaced after a reset', (_, before, after) => {
  const source = createChunkSource()
  const step = { type: 'step-start' }
  source.next(growing({ parts: [step, before] }, 'streaming'))
  const [first, ...rest] = source.next(growing({ parts: [step, after] }, 'streaming'))
  expect(first).toEqual({ type: 'reset-step' })
  expect(rest.length).toBeGreaterThan(0)
})

test('the order of properties, which the database changes, is no change', () => {
  const source = createChunkSource()
  const data = { type: 'data-a', id: 'd1', data: { b: 1, a: 2 } }
  source.next(
    growing({ parts: [{ type: 'step-start' }, file, data], metadata: { b: 1, a: 2 } }, 'streaming'),
  )
  const reordered = [
    { type: 'step-start' },
    { url: '/a.png', type: 'file', mediaType: 'image/png' },
    { id: 'd1', data: { a: 2, b: 1 }, type: 'data-a' },
  ]
  expect(source.next(growing({ parts: reordered, metadata: { a: 2, b: 1 } }, 'streaming'))).toEqual(
    [],
  )
})
