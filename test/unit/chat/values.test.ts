import { expect, test } from 'vitest'
import { createMessageStream } from '../../../src/chat/message-stream.ts'
import {
  type FoldState,
  foldDelta,
  folded,
  type JsonObject,
  type JsonValue,
  startFold,
} from '../../../src/schema/index.ts'
import {
  type Mutation,
  parseWriteBatch,
  SessionDbError,
  type WriteResult,
} from '../../../src/writes/index.ts'
import { checkLimits, defaultLimits, type WriteLimits } from '../../../src/writes/limits.ts'

/** A message in a store that validates batches and limits as the server does. */
function openStream(limits: WriteLimits = defaultLimits, flushMs = 0) {
  let state: FoldState = startFold({ content: '', parts: [] })
  let seq = 0
  let end: { status?: string | undefined; metadata?: JsonObject | undefined } = {}
  function apply(mutation: Mutation): void {
    if (mutation.collection !== 'chatMessages') return
    if (mutation.type === 'update') end = mutation.changes
    if (mutation.type !== 'append') return
    expect(mutation.seq).toBe(seq)
    seq += mutation.deltas.length
    state = mutation.deltas.reduce(foldDelta, state)
  }
  const stream = createMessageStream({
    id: 'm1',
    writer: 'w1',
    metadata: {},
    options: { flushMs },
    async write(batch): Promise<WriteResult> {
      const { mutations } = parseWriteBatch(batch)
      checkLimits(mutations, JSON.stringify(mutations), limits)
      for (const mutation of mutations) apply(mutation)
      return { batchId: batch.id, txid: 1, mutations: [] }
    },
  })
  return { stream, stored: () => folded(state), end: () => end }
}

async function* chunksOf(...chunks: object[]) {
  yield* chunks as { type: string }[]
}

const bad: Record<string, [unknown, JsonValue | undefined]> = {
  NUL: ['a\0b', 'a\uFFFDb'],
  'a lone surrogate': [{ text: ['\ud800x'] }, { text: ['\uFFFDx'] }],
  NaN: [
    { a: Number.NaN, b: Number.POSITIVE_INFINITY },
    { a: null, b: null },
  ],
  'a bigint': [[2n ** 70n], ['1180591620717411303424']],
  undefined: [{ a: undefined, b: [undefined, 1] }, { b: [null, 1] }],
  'a date': [new Date(0), '1970-01-01T00:00:00.000Z'],
  'a function': [{ a: () => 1 }, {}],
}

test.each(Object.entries(bad))(
  'stores a tool output with %s as JSON would',
  async (_, [output, stored]) => {
    const opened = openStream()
    await opened.stream.pipe(
      chunksOf(
        { type: 'text-start', id: '1' },
        { type: 'text-delta', id: '1', delta: 'Before.' },
        { type: 'tool-input-available', toolCallId: 'c', toolName: 'a', input: {} },
        { type: 'tool-output-available', toolCallId: 'c', output },
        { type: 'text-delta', id: '1', delta: 'After.' },
      ),
    )
    expect(opened.stored().content).toBe('Before.After.')
    expect(opened.stored().parts[1]).toMatchObject({ state: 'output-available', output: stored })
    expect(opened.end().status).toBe('complete')
  },
)

test('stores circular and deeply nested values with a note', async () => {
  const opened = openStream()
  const circular: { self?: unknown } = {}
  circular.self = circular
  let deep: unknown = 1
  for (let level = 0; level < 10_000; level++) deep = [deep]
  opened.stream.setPart({ type: 'data-a', id: '1', data: circular as JsonObject })
  opened.stream.setPart({ type: 'data-a', id: '2', data: deep as JsonValue })
  await opened.stream.finish()
  const json = JSON.stringify(opened.stored().parts)
  expect(json).toContain('[circular]')
  expect(json).toContain('[nested too deeply]')
})

test('counts replaced characters in the metadata', async () => {
  const opened = openStream()
  opened.stream.append('a\0b\0')
  await opened.stream.finish()
  expect(opened.stored().content).toBe('a\uFFFDb\uFFFD')
  expect(opened.end().metadata).toEqual({ replacedCharacters: 2 })
})

test('keeps an emoji whose halves arrive in two flushes', async () => {
  const opened = openStream()
  opened.stream.append('Hi \ud83d')
  await opened.stream.flush()
  opened.stream.append('\udc4b')
  await opened.stream.finish()
  expect(opened.stored().content).toBe('Hi 👋')
  expect(opened.end().metadata).toEqual({})
})

test('keeps the halves of emojis in interleaved parts apart', async () => {
  const opened = openStream()
  await opened.stream.pipe(
    chunksOf(
      { type: 'text-start', id: '1' },
      { type: 'reasoning-start', id: '1' },
      { type: 'text-delta', id: '1', delta: '\ud83d' },
      { type: 'reasoning-delta', id: '1', delta: '\ud83c' },
      { type: 'text-delta', id: '1', delta: '\udc4b' },
      { type: 'reasoning-delta', id: '1', delta: '\udf89' },
    ),
  )
  expect(opened.stored().parts).toMatchObject([{ text: '👋' }, { text: '🎉' }])
})

test('replaces half an emoji at the end of an answer', async () => {
  const opened = openStream()
  opened.stream.append('Hi \ud83d')
  await opened.stream.finish()
  expect(opened.stored().content).toBe('Hi \uFFFD')
})

test('stores a note in place of a part over the limit, and the rest of the answer', async () => {
  const opened = openStream()
  await opened.stream.pipe(
    chunksOf(
      { type: 'text-start', id: '1' },
      { type: 'text-delta', id: '1', delta: 'Look: ' },
      {
        type: 'file',
        mediaType: 'image/png',
        url: `data:image/png;base64,${'A'.repeat(2_000_000)}`,
      },
      { type: 'tool-input-available', toolCallId: 'c', toolName: 'a', input: { q: 1 } },
      { type: 'tool-output-available', toolCallId: 'c', output: 'x'.repeat(2_000_000) },
      { type: 'text-delta', id: '1', delta: 'done.' },
      { type: 'text-end', id: '1' },
    ),
  )
  const { content, parts } = opened.stored()
  expect(content).toBe('Look: done.')
  expect(parts).toMatchObject([
    { type: 'text', state: 'done' },
    { type: 'data-omitted', data: { type: 'file', reason: expect.stringContaining('too large') } },
    {
      type: 'tool-a',
      state: 'output-available',
      input: { q: 1 },
      output: `${'x'.repeat(16_384)}…`,
      resultProviderMetadata: { sessionDb: { wholeBytes: 2_000_002 } },
    },
  ])
  expect(opened.end().status).toBe('complete')
})

test('splits what a server with smaller limits refuses', async () => {
  const limits = { ...defaultLimits, maxMessageBytes: 2_000 }
  const opened = openStream(limits, 1_000)
  opened.stream.append('👋'.repeat(1_000))
  opened.stream.setPart({
    type: 'file',
    mediaType: 'text/plain',
    url: `data:,${'y'.repeat(5_000)}`,
  })
  opened.stream.append('end')
  await opened.stream.finish()
  expect(opened.stored().content).toBe(`${'👋'.repeat(1_000)}end`)
  expect(opened.stored().parts).toMatchObject([{}, { type: 'data-omitted' }, { text: 'end' }])
  expect(opened.end().status).toBe('complete')
})

test('marks the message as failed if the server refuses it for good', async () => {
  let end: unknown
  const stream = createMessageStream({
    id: 'm1',
    writer: 'w1',
    metadata: { kept: true },
    options: { flushMs: 0 },
    async write(batch): Promise<WriteResult> {
      const [mutation] = batch.mutations
      if (mutation?.type === 'append') throw new SessionDbError('too_large', 'The message is full.')
      if (mutation?.type === 'update') end = mutation.changes
      return { batchId: batch.id, txid: 1, mutations: [] }
    },
  })
  stream.append('x')
  await expect(stream.flush()).rejects.toThrow('The message is full.')
  expect(end).toMatchObject({
    status: 'error',
    metadata: {
      kept: true,
      stream: { error: { code: 'failed', message: 'The message is full.' } },
    },
  })
})

test('stores metadata that JSON cannot hold as JSON would', async () => {
  const opened = openStream()
  await opened.stream.pipe(
    chunksOf({ type: 'start', messageMetadata: { at: new Date(0), n: Number.NaN, t: 'a\0' } }),
  )
  expect(opened.end().metadata).toMatchObject({
    at: '1970-01-01T00:00:00.000Z',
    n: null,
    t: 'a\uFFFD',
  })
})

const big = 'x'.repeat(600_000)
const call = { toolCallId: 'c', toolName: 'a' }

test('keeps the beginning of a large output in its shape', async () => {
  const opened = openStream()
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `Row ${id} 👋` }))
  const output = { log: big, rows, code: 0, emoji: '👋'.repeat(200_000) }
  await opened.stream.pipe(
    chunksOf(
      { type: 'tool-input-available', ...call, input: {}, providerMetadata: { a: { b: 1 } } },
      { type: 'tool-output-available', toolCallId: 'c', output, providerMetadata: { c: { d: 2 } } },
    ),
  )
  const [part] = opened.stored().parts as [JsonObject]
  const kept = part.output as typeof output
  expect(kept).toMatchObject({ code: 0, log: expect.stringMatching(/^x{4000,4096}…$/) })
  expect(kept.rows.length).toBeGreaterThan(100)
  expect(kept.rows.slice(0, -1)).toEqual(rows.slice(0, kept.rows.length - 1))
  expect(kept.emoji).toMatch(/^(👋)+…$/u)
  expect(JSON.stringify(kept).length).toBeLessThan(20_000)
  const wholeBytes = new TextEncoder().encode(JSON.stringify(output)).length
  expect(part).toMatchObject({
    callProviderMetadata: { a: { b: 1 } },
    resultProviderMetadata: { c: { d: 2 }, sessionDb: { wholeBytes } },
  })
})

test('keeps the output of a tool whose input is large', async () => {
  const opened = openStream()
  await opened.stream.pipe(
    chunksOf(
      { type: 'tool-input-available', ...call, input: { path: '/a', text: big } },
      { type: 'tool-output-available', toolCallId: 'c', output: 'Written.' },
    ),
  )
  expect(opened.stored().parts).toMatchObject([
    {
      state: 'output-available',
      output: 'Written.',
      input: { path: '/a', text: expect.stringMatching(/^x+…$/) },
    },
  ])
})

test('says so where a data part was too large, and shows the next one with its id', async () => {
  const opened = openStream()
  const data = (value: string) => ({ type: 'data-plot', id: 'p', data: value })
  await opened.stream.pipe(chunksOf(data('small'), data(big)))
  expect(opened.stored().parts).toMatchObject([
    { type: 'data-omitted', data: { type: 'data-plot', reason: expect.any(String) } },
  ])
  const other = openStream()
  await other.stream.pipe(chunksOf(data('small'), data(big), data('small again')))
  expect(other.stored().parts).toEqual([data('small again')])
})

test('ends a reasoning whose metadata is too large', async () => {
  const opened = openStream()
  await opened.stream.pipe(
    chunksOf(
      { type: 'reasoning-start', id: '1' },
      { type: 'reasoning-delta', id: '1', delta: 'Hm.' },
      { type: 'reasoning-end', id: '1', providerMetadata: { a: { signature: big } } },
    ),
  )
  expect(opened.stored().parts).toEqual([
    { type: 'reasoning', id: '1', text: 'Hm.', state: 'done' },
  ])
})
