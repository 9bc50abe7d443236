import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMessageStream, type MessageStream } from '../../../src/chat/message-stream.ts'
import { type FoldState, foldDelta, folded, startFold } from '../../../src/schema/index.ts'
import type { WriteBatchInput, WriteResult } from '../../../src/writes/index.ts'

function openStream() {
  let stored: FoldState = startFold({ content: '', parts: [] })
  const sent: WriteBatchInput[] = []
  const stream = createMessageStream({
    id: 'm1',
    writer: 'w1',
    metadata: {},
    options: { flushMs: 0 },
    async write(batch): Promise<WriteResult> {
      sent.push(batch)
      for (const mutation of batch.mutations) {
        if (mutation.type === 'append') stored = mutation.deltas.reduce(foldDelta, stored)
      }
      return { batchId: batch.id, txid: 1, mutations: [] }
    },
  })
  return { stream, sent, stored: () => folded(stored) }
}

type Say = (stream: MessageStream) => void

const said: fc.Arbitrary<Say> = fc.oneof(
  fc.string().map(
    (text): Say =>
      (stream) =>
        stream.append(text),
  ),
  fc.string().map(
    (text): Say =>
      (stream) =>
        stream.appendTo({ type: 'reasoning' }, text),
  ),
  fc.tuple(fc.constantFrom('a', 'b'), fc.integer()).map(([toolCallId, input]): Say => {
    return (stream) => stream.setPart({ type: 'tool-look', toolCallId, input })
  }),
)

test('stores exactly what the stream shows, however the deltas are flushed', async () => {
  const property = fc.asyncProperty(fc.array(said), fc.array(said), async (before, after) => {
    const { stream, stored } = openStream()
    for (const say of before) say(stream)
    await stream.flush()
    for (const say of after) say(stream)
    await stream.finish()
    expect(stored()).toEqual({ content: stream.content, parts: stream.parts })
  })
  await fc.assert(property, { numRuns: 50 })
})

test('refuses deltas after finish and ends the message as complete', async () => {
  const { stream, sent } = openStream()
  stream.append('all')
  const finished = stream.finish()
  expect(() => stream.append('more')).toThrow('has ended')
  await expect(finished).resolves.toMatchObject({ txid: 1 })
  expect(sent.at(-1)?.mutations.at(-1)).toMatchObject({ changes: { status: 'complete' } })
})
