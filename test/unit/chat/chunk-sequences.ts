import type * as ai7 from 'ai'
import type { JsonObject } from '../../../src/schema/index.ts'
import { fc } from '../../support/property.ts'

export type Chunk = { readonly type: string; readonly [key: string]: unknown }

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const type = <T extends string>(...types: T[]) => fc.constantFrom(...types)
const maybe = optional(fc.boolean())

const metadata = optional(
  fc.constantFrom<JsonObject>({ a: { x: '1' } }, { google: { thoughtSignature: 's' } }),
)
const json = fc.constantFrom<unknown>({ city: 'Bern' }, 'text', 3, null, [], {
  a: [1, { b: null }],
})
const textId = fc.constantFrom('1', '2')
const callId = fc.constantFrom('c1', 'c2', 'c3')
const approvalId = fc.constantFrom('a1', 'a2')
const words = fc.constantFrom(
  ['Hel', 'lo'],
  ['\ud83d', '\udc4b'],
  ['é'],
  ['a\ud83d', '\udc4b!'],
  [''],
)
const messageMetadata = optional(
  fc.constantFrom<unknown>(
    { a: { x: 1 } },
    { a: { y: [2] }, b: null },
    { a: 1, c: undefined },
    { a: { y: [3] }, at: new Date(0) },
    {},
  ),
)
const call = { toolCallId: callId, toolName: type('search', 'read'), dynamic: maybe }
const called = { providerExecuted: maybe, providerMetadata: metadata, toolMetadata: metadata }
const title = optional(type('Search', 'Read'))
const result = { toolCallId: callId, dynamic: maybe, ...called }

/** The input of a call, of which each delta is the next part. */
const INPUT = '{"city":"Ber\\u006e","n":[1,-2.5,true,{}],"o":{"p":null,"q":"a\\"b"}}'

type UIMessageChunk = ai7.UIMessageChunk<unknown, { note: unknown; plot: unknown }>
type Generated = Exclude<UIMessageChunk['type'], 'text-delta' | 'reasoning-delta'>

const one = <T extends object>(shape: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(shape).map((fields) => [fields])
const deltas = fc
  .tuple(textId, words, metadata)
  .map(([id, texts, providerMetadata]) => texts.map((delta) => ({ id, delta, providerMetadata })))

/**
 * Each type of chunk that the AI SDK 7 has: one that a new version adds is missing here, which the compiler reports.
 * Chunks in one array belong together, so that a cut never separates the halves of a surrogate pair.
 */
const fields = {
  'text-start': one({ id: textId, providerMetadata: metadata }),
  'text-delta': deltas,
  'text-end': one({
    id: textId,
    providerMetadata: metadata,
    citations: optional(fc.constant([{ type: 'url', url: 'https://a.test' }])),
  }),
  'reasoning-start': one({ id: textId, providerMetadata: metadata }),
  'reasoning-delta': deltas,
  'reasoning-end': one({ id: textId, providerMetadata: metadata }),
  'tool-input-start': one({
    ...call,
    ...called,
    title,
    inputEncoding: optional(type('json', 'text')),
  }),
  'tool-input-delta': one({ toolCallId: callId, take: fc.nat(30) }),
  'tool-input-available': one({ ...call, ...called, title, input: json }),
  'tool-input-error': one({ ...call, ...called, title, input: json, errorText: type('bad') }),
  'tool-output-available': one({ ...result, output: json, preliminary: maybe }),
  'tool-output-error': one({ ...result, errorText: type('no') }),
  'tool-output-denied': one({ toolCallId: callId }),
  'tool-approval-request': fc
    .record({
      approvalId,
      toolCallId: callId,
      approvalDescriptor: optional(json),
      inputSchemaInput: optional(json),
      reason: optional(type('It writes.')),
      isAutomatic: maybe,
      signature: optional(type('sig')),
    })
    .map(({ inputSchemaInput: input, ...request }) => [
      input === undefined ? request : { ...request, inputSchemaInput: input },
    ]),
  'tool-approval-response': one({
    approvalId,
    approved: fc.boolean(),
    reason: optional(type('because')),
    providerExecuted: maybe,
    providerMetadata: metadata,
  }),
  custom: one({ kind: type('x.y'), providerMetadata: metadata }),
  file: one({
    mediaType: type('image/png'),
    url: type('data:image/png;base64,AAAA'),
    providerMetadata: metadata,
  }),
  'reasoning-file': one({
    mediaType: type('image/png'),
    url: type('data:image/png;base64,BBBB'),
    providerMetadata: metadata,
  }),
  'source-url': one({
    sourceId: type('s1', 's2'),
    url: type('https://a.test'),
    title,
    providerMetadata: metadata,
  }),
  'source-document': one({
    sourceId: type('s1', 's2'),
    mediaType: type('text/plain'),
    title: type('B'),
    filename: optional(type('b.txt')),
    providerMetadata: metadata,
  }),
  'steering-message': one({
    id: type('u1', 'u2'),
    parts: fc.constantFrom([{ type: 'text', text: 'Shorter, please.' }], []),
  }),
  'data-note': one({ id: optional(type('d1', 'd2')), data: json, transient: maybe }),
  'data-plot': one({ id: optional(type('d1', 'd2')), data: json, transient: maybe }),
  start: one({ messageId: optional(type('m1')), messageMetadata }),
  finish: one({ finishReason: optional(type('stop', 'length', 'tool-calls')), messageMetadata }),
  'message-metadata': one({ messageMetadata }),
  'start-step': one({}),
  'finish-step': one({}),
  'reset-step': one({}),
  error: one({ errorText: type('Overloaded') }),
  abort: one({ reason: optional(type('enough')) }),
} satisfies Record<Generated | 'text-delta' | 'reasoning-delta', fc.Arbitrary<object[]>>

/** Chunks that end the message come rarely, so that most sequences are long. */
const RARE: readonly string[] = ['error', 'abort']
const USUAL = 8

const group: fc.Arbitrary<Chunk[]> = fc.oneof(
  ...Object.entries(fields).map(([name, arbitrary]) => ({
    weight: RARE.includes(name) ? 1 : USUAL,
    arbitrary: (arbitrary as fc.Arbitrary<object[]>).map((chunks) =>
      chunks.map((chunk) => ({ type: name, ...chunk })),
    ),
  })),
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

/** Any chunks in any order, in groups that belong together. */
export const sequence: fc.Arbitrary<Chunk[][]> = fc
  .array(
    fc.tuple(
      group,
      fc.nat(19).map((n) => n > 0),
    ),
    { maxLength: 30 },
  )
  .map(plausible)

/**
 * Chunks that the AI SDK 6 doesn't have, or stores differently: the invalid input of a static tool goes to
 * `rawInput` there, `finish-step` closes the texts, and approvals and texts have fewer properties.
 */
export function isOf6(chunk: Chunk): boolean {
  const isNew =
    /^(custom|reasoning-file|steering-message|reset-step|finish-step|tool-approval-response)$/.test(
      chunk.type,
    )
  const isRequest = chunk.type === 'tool-approval-request'
  return (
    !isNew &&
    chunk.type !== 'tool-input-error' &&
    chunk.isAutomatic !== true &&
    chunk.citations === undefined &&
    !(isRequest && chunk.reason !== undefined)
  )
}
