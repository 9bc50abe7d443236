import * as ai7 from 'ai'
import * as ai6 from 'ai6'
import { expect, test } from 'vitest'
import { createMessageStream } from '../../../src/chat/message-stream.ts'
import {
  type FoldState,
  foldDelta,
  folded,
  type JsonObject,
  type StreamedContent,
  startFold,
} from '../../../src/schema/index.ts'
import type { WriteResult } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'

type Chunk = { readonly type: string; readonly [key: string]: unknown }

const metadata = fc.constantFrom<JsonObject>(
  { a: { x: '1' } },
  { google: { thoughtSignature: 's' } },
)
const maybeMetadata = fc.option(metadata, { nil: undefined })
const json = fc.constantFrom<unknown>({ city: 'Bern' }, 'text', 3, null, [], {
  a: [1, { b: null }],
})
const textId = fc.constantFrom('1', '2')
const callId = fc.constantFrom('c1', 'c2', 'c3')
const approvalId = fc.constantFrom('a1', 'a2')
const tool = fc.constantFrom('search', 'read')
const words = fc.constantFrom(
  ['Hel', 'lo'],
  ['\ud83d', '\udc4b'],
  ['é'],
  ['a\ud83d', '\udc4b!'],
  [''],
)
const INPUT = '{"city":"Ber\\u006e","n":[1,-2.5,true,{}],"o":{"p":null,"q":"a\\"b"}}'

const one = <T extends object>(shape: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(shape).map((chunk) => [chunk as unknown as Chunk])
const type = <T extends string>(...types: T[]) => fc.constantFrom(...types)
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const call = { toolCallId: callId, toolName: tool, dynamic: optional(fc.boolean()) }

/** Chunks that belong together, so that a cut never separates the halves of a surrogate pair. */
const step: fc.Arbitrary<Chunk[]> = fc.oneof(
  one({ type: type('text-start', 'reasoning-start'), id: textId, providerMetadata: maybeMetadata }),
  fc
    .tuple(type('text-delta', 'reasoning-delta'), textId, words, maybeMetadata)
    .map(([name, id, deltas, providerMetadata]) =>
      deltas.map((delta) => ({ type: name, id, delta, providerMetadata })),
    ),
  one({ type: type('text-end', 'reasoning-end'), id: textId, providerMetadata: maybeMetadata }),
  one({
    type: type('tool-input-start'),
    ...call,
    providerExecuted: optional(fc.boolean()),
    title: optional(fc.constant('Search')),
    providerMetadata: maybeMetadata,
  }),
  one({ type: type('tool-input-delta'), toolCallId: callId, take: fc.nat(30) }),
  one({
    type: type('tool-input-available'),
    ...call,
    input: json,
    providerExecuted: optional(fc.boolean()),
    providerMetadata: maybeMetadata,
    toolMetadata: maybeMetadata,
  }),
  one({
    type: type('tool-input-error'),
    ...call,
    input: json,
    errorText: type('bad input'),
    providerMetadata: maybeMetadata,
  }),
  one({
    type: type('tool-output-available'),
    toolCallId: callId,
    output: json,
    preliminary: optional(fc.boolean()),
    providerMetadata: maybeMetadata,
  }),
  one({
    type: type('tool-output-error'),
    toolCallId: callId,
    errorText: type('no'),
    providerMetadata: maybeMetadata,
  }),
  one({ type: type('tool-output-denied'), toolCallId: callId }),
  one({
    type: type('tool-approval-request'),
    approvalId,
    toolCallId: callId,
    isAutomatic: optional(fc.boolean()),
    signature: optional(fc.constant('sig')),
  }),
  one({
    type: type('tool-approval-response'),
    approvalId,
    approved: fc.boolean(),
    reason: optional(fc.constant('because')),
  }),
  one({ type: type('custom'), kind: type('x.y'), providerMetadata: maybeMetadata }),
  one({
    type: type('file', 'reasoning-file'),
    mediaType: type('image/png'),
    url: type('data:image/png;base64,AAAA'),
    providerMetadata: maybeMetadata,
  }),
  one({
    type: type('source-url'),
    sourceId: type('s1'),
    url: type('https://a.test'),
    title: optional(fc.constant('A')),
  }),
  one({
    type: type('source-document'),
    sourceId: type('s2'),
    mediaType: type('text/plain'),
    title: type('B'),
  }),
  one({
    type: type('data-note', 'data-plot'),
    id: optional(fc.constantFrom('d1', 'd2')),
    data: json,
    transient: optional(fc.boolean()),
  }),
  one({
    type: type('message-metadata', 'start', 'finish'),
    messageMetadata: optional(
      fc.constantFrom({ a: { x: 1 } }, { a: { y: [2] }, b: null }, { a: 1 }),
    ),
  }),
  one({ type: type('start-step', 'finish-step', 'start-step', 'reset-step') }),
)

/**
 * Leaves out most chunks that refer to a part that doesn't exist, which would end the stream, and lets the
 * deltas of a call's input be one JSON text.
 */
function plausible(steps: readonly (readonly [Chunk[], boolean])[]): Chunk[][] {
  const known = new Set<unknown>()
  const read = new Map<unknown, number>()
  return steps.flatMap(([chunks, isStrict]) => {
    const [chunk] = chunks
    if (chunk === undefined) return []
    const { type: kind, toolCallId, approvalId: approval, id } = chunk
    const isInput = kind === 'tool-input-delta'
    const part = isInput ? `input:${toolCallId}` : (toolCallId ?? approval ?? `${kind[0]}${id}`)
    const needsPart = /^(text|reasoning)-(delta|end)$|^tool-(output|approval)/.test(kind) || isInput
    if (isStrict && needsPart && !known.has(part)) return []
    if (kind === 'reset-step') known.clear()
    known.add(part)
    if (kind === 'tool-approval-request') known.add(approval)
    if (kind === 'tool-input-start') {
      known.add(`input:${toolCallId}`)
      read.set(toolCallId, 0)
    }
    if (kind.endsWith('-end')) known.delete(part)
    if (!isInput) return [chunks]
    const from = read.get(toolCallId) ?? 0
    read.set(toolCallId, from + Number(chunk.take))
    const inputTextDelta = INPUT.slice(from, from + Number(chunk.take))
    return [[{ type: kind, toolCallId, inputTextDelta }]]
  })
}

const sequence = fc
  .array(
    fc.tuple(
      step,
      fc.nat(19).map((n) => n > 0),
    ),
    { maxLength: 25 },
  )
  .map(plausible)

/**
 * Chunks that the AI SDK 6 doesn't have, or stores differently: the invalid input of a static tool goes to
 * `rawInput` there, approvals have no `isAutomatic`, and `finish-step` closes the texts.
 */
function isOf6(chunk: Chunk): boolean {
  const isNew = /^(custom|reasoning-file|reset-step|finish-step|tool-approval-response)$/.test(
    chunk.type,
  )
  return !isNew && chunk.type !== 'tool-input-error' && chunk.isAutomatic !== true
}

const LAST: Chunk = { type: 'message-metadata', messageMetadata: { last: true } }

interface Message {
  readonly metadata: JsonObject
  readonly parts: StreamedContent['parts']
}

/** What the SDK makes of chunks. `failed` is true if it refused one. */
async function readWithSdk(
  ai: Pick<typeof ai7, 'readUIMessageStream'>,
  chunks: readonly Chunk[],
  before: Message,
) {
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
  let failed = false
  let message: unknown = { metadata: before.metadata, parts: before.parts }
  const options = {
    message: structuredClone({ id: 'm1', role: 'assistant', ...before }),
    stream,
    onError() {
      failed = true
    },
  }
  for await (const next of ai.readUIMessageStream(options as never)) message = next
  const { metadata = {}, parts } = JSON.parse(JSON.stringify(message)) as Message
  return { failed, metadata, parts }
}

/** A message whose writes are folded as the database does. */
function createStore() {
  let state: FoldState = startFold({ content: '', parts: [] })
  let seq = 0
  let end: { status?: string | undefined; metadata?: JsonObject | undefined } = {}
  return {
    stored: () => folded(state),
    end: () => end,
    open(metadata: JsonObject = {}) {
      state = startFold(folded(state))
      return createMessageStream({
        id: 'm1',
        writer: 'w1',
        seq,
        before: folded(state),
        metadata,
        options: { flushMs: 0 },
        async write(batch): Promise<WriteResult> {
          for (const mutation of JSON.parse(JSON.stringify(batch.mutations))) {
            if (mutation.type === 'update') end = mutation.changes
            if (mutation.type !== 'append') continue
            expect(mutation.seq).toBe(seq)
            seq += mutation.deltas.length
            state = mutation.deltas.reduce(foldDelta, state)
          }
          return { batchId: batch.id, txid: 1, mutations: [] }
        },
      })
    },
  }
}

/** Removes the input that a call has received so far: it is written at intervals. */
function withoutPartialInput(parts: StreamedContent['parts']) {
  return parts.map((part) => {
    const { input: _, rawInput: __, ...rest } = part as JsonObject
    return rest.state === 'input-streaming' ? rest : part
  })
}

test.each([
  ['7', ai7, () => true],
  ['6', ai6 as unknown as typeof ai7, isOf6],
])(
  'stores what readUIMessageStream of the AI SDK %s yields, cut and resumed anywhere',
  async (_, ai, isKnown) => {
    await fc.assert(
      fc.asyncProperty(
        sequence.map((steps) => steps.map((chunks) => chunks.filter(isKnown))),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (steps, where) => {
          const cut = Math.floor(where * (steps.length + 1))
          const [first, second] = [steps.slice(0, cut).flat(), steps.slice(cut).flat()]
          const store = createStore()

          // The first writer is cut off: its stream never ends.
          let resolve = () => {}
          const isCut = new Promise<void>((done) => {
            resolve = done
          })
          const opened = store.open()
          const piped = opened.pipe(
            (async function* () {
              for (const chunk of first) {
                yield chunk
                if (chunk.type === 'start-step') await opened.flush()
              }
              resolve()
              await new Promise(() => {})
            })(),
          )
          await Promise.race([isCut, piped])
          if (store.end().status === undefined) await opened.flush()
          const sdk = await readWithSdk(ai, [...first, LAST], { metadata: {}, parts: [] })
          expect(store.end().status).toBe(sdk.failed ? 'error' : undefined)
          if (sdk.failed) return
          const cutOff = store.stored()
          expect(withoutPartialInput(cutOff.parts)).toEqual(withoutPartialInput(sdk.parts))

          const chunks = [...second, LAST]
          await store.open().pipe(
            (async function* () {
              yield* chunks
            })(),
          )
          const whole = await readWithSdk(ai, chunks, { metadata: {}, parts: cutOff.parts })
          expect(store.end().status).toBe(whole.failed ? 'error' : 'complete')
          if (whole.failed) return
          expect(store.stored().parts).toEqual(whole.parts)
          expect(store.end().metadata).toEqual(whole.metadata)
        },
      ),
      { numRuns: cases(400, 15_000) },
    )
  },
)
