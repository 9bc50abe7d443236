import { expect, test } from 'vitest'
import { createMessageStream, type MessageStream } from '../../../src/chat/message-stream.ts'
import { createPendingStream } from '../../../src/collections/pending-message-stream.ts'
import { SessionDbError } from '../../../src/errors.ts'
import { foldDelta, type StreamedContent } from '../../../src/schema/index.ts'
import type { WriteBatchInput, WriteResult } from '../../../src/writes/index.ts'
import { fc } from '../../support/property.ts'

function openStream() {
  let stored: StreamedContent = { content: '', parts: [] }
  const sent: WriteBatchInput[] = []
  const open = () =>
    createMessageStream({
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
  return { open, sent, stored: () => stored }
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

test('whatever is said before the stream is open is shown at once, and sent as it was said', async () => {
  const property = fc.asyncProperty(fc.array(said), fc.array(said), async (before, after) => {
    const { open, stored } = openStream()
    let arrive: (stream: MessageStream) => void = () => {}
    const stream = createPendingStream('m1', new Promise((resolve) => (arrive = resolve)))
    const plain = openStream().open()
    for (const say of before) for (const to of [stream, plain]) say(to)
    expect([stream.content, stream.parts]).toEqual([plain.content, plain.parts])

    arrive(open())
    await stream.flush()
    for (const say of after) for (const to of [stream, plain]) say(to)
    await stream.finish()
    const all = { content: plain.content, parts: plain.parts }
    expect({ content: stream.content, parts: stream.parts }).toEqual(all)
    expect(stored()).toEqual(all)
    await plain.finish()
  })
  await fc.assert(property, { numRuns: 50 })
})

test('one that is finished before it is open takes no more, and is finished when it is', async () => {
  const { open, sent } = openStream()
  let arrive: (stream: MessageStream) => void = () => {}
  const stream = createPendingStream('m1', new Promise((resolve) => (arrive = resolve)))
  stream.append('all')
  const finished = stream.finish()
  expect(() => stream.append('more')).toThrow('has ended')
  arrive(open())
  await expect(finished).resolves.toMatchObject({ txid: 1 })
  expect(sent.at(-1)?.mutations.at(-1)).toMatchObject({ changes: { status: 'complete' } })
})

test('one that cannot be opened is broken: who writes to it hears why', async () => {
  const reason = new SessionDbError('unavailable', 'What streams messages could not be loaded.')
  const stream = createPendingStream('m1', Promise.reject(reason))
  stream.append('lost')
  await expect(stream.flush()).rejects.toBe(reason)
  expect(() => stream.append('more')).toThrow(reason)
  await expect(stream.finish()).rejects.toBe(reason)
  await expect(stream.fail('no')).resolves.toBeUndefined()
  expect(stream.content).toBe('lost')
})
