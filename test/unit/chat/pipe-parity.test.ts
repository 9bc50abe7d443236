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
import { type Chunk, isOf6, sequence } from './chunk-sequences.ts'

const LAST: Chunk = { type: 'message-metadata', messageMetadata: { last: true } }

interface Message {
  readonly metadata: JsonObject
  readonly parts: StreamedContent['parts']
}

/** The message that the SDK makes of chunks, up to the first that ends it: an error, an abort, or one it refuses. */
async function readWithSdk(
  ai: Pick<typeof ai7, 'readUIMessageStream'>,
  chunks: readonly Chunk[],
  before: Message,
) {
  const end = chunks.findIndex(({ type }) => type === 'error' || type === 'abort')
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of end === -1 ? chunks : chunks.slice(0, end)) controller.enqueue(chunk)
      controller.close()
    },
  })
  let failed = end !== -1
  const message = structuredClone({ id: 'm1', role: 'assistant', ...before })
  const options = { message, stream, onError: () => (failed = true) }
  for await (const _ of ai.readUIMessageStream(options as never));
  // The SDK changes the message that it was given; it doesn't yield all changes.
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

function expectSame(store: ReturnType<typeof createStore>, { parts, metadata }: Message) {
  const { stream: _, ...stored } = store.end().metadata ?? {}
  expect(store.stored().parts).toEqual(parts)
  expect(stored).toEqual(metadata)
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
          if (sdk.failed) return expectSame(store, sdk)
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
          expectSame(store, whole)
        },
      ),
      { numRuns: cases(400, 6_000) },
    )
  },
)

test('writes the rest of an input into its own step', async () => {
  const store = createStore()
  const delta = { type: 'tool-input-delta', toolCallId: 'c1' }
  const chunks: Chunk[] = [
    { type: 'tool-input-start', toolCallId: 'c1', toolName: 'search' },
    { ...delta, inputTextDelta: '{"c' },
    { ...delta, inputTextDelta: 'i' },
    { type: 'start-step' },
  ]
  await store.open().pipe(
    (async function* () {
      yield* chunks
    })(),
  )
  expect(store.stored().parts).toMatchObject([{ rawInput: '{"ci' }, { type: 'step-start' }])
})
