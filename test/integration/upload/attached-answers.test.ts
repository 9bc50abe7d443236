import { randomBytes } from 'node:crypto'
import * as ai7 from 'ai'
import * as ai6 from 'ai6'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import { createId } from '../../../src/index.ts'
import { type ChatMessage, isJsonObject } from '../../../src/schema/index.ts'
import {
  createChatHandler,
  inlineAttachments,
  resumeMessage,
  streamMessage,
} from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'
import { ada, type StoreFixture, startStore } from '../server/store-fixture.ts'

let fixture: StoreFixture
let threadId: string
/** More random bytes than any file needs: a file is their beginning. */
const BYTES = randomBytes(2_100_000)
const MAX_ATTACHMENT = 2_000_000
const UPLOAD_URL = '/up/'

beforeAll(async () => {
  fixture = await startStore({
    requestLimits: false,
    uploads: { maxAttachmentBytes: MAX_ATTACHMENT },
  })
  const sessionId = createId()
  threadId = createId()
  const thread = { id: threadId, sessionId, mode: 'session', title: 'T' } as const
  await fixture.write(
    ada,
    { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S' } },
    { collection: 'chatThreads', type: 'insert', value: thread },
  )
})
afterAll(() => fixture.close())

type Chunk = { readonly type: string; readonly [key: string]: unknown }

async function* chunksOf(chunks: readonly Chunk[]) {
  yield* chunks
}

const fileOf = (bytes: number, more: object = {}): Chunk => ({
  type: 'file',
  mediaType: 'image/png',
  url: `data:image/png;base64,${BYTES.subarray(0, bytes).toString('base64')}`,
  ...more,
})

/** Those that messages refer to. One whose output was replaced in the same answer waits for its removal. */
const attachments = async () =>
  (await fixture.rows('SELECT id FROM chat_attachments WHERE attached')).map(({ id }) => String(id))

const referenceIn = (part: unknown) => {
  const { providerMetadata, resultProviderMetadata } = Object(part)
  return Object((resultProviderMetadata ?? providerMetadata)?.sessionDb)
}

const idOf = (part: unknown): string | undefined => referenceIn(part).attachmentId

async function bytesOf(id: string): Promise<Buffer> {
  const { body } = await fixture.store.openAttachment(ada, id)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function piped(chunks: readonly Chunk[], options: { uploadUrl?: string } = {}) {
  const message = { threadId, role: 'assistant', flushMs: 0, ...options } as const
  const stream = await streamMessage(fixture.store, ada, message)
  await stream.pipe(chunksOf(chunks))
  const stored = await fixture.store.readMessage(ada, stream.id)
  if (stored === undefined) throw new Error('The message is gone.')
  return stored
}

const remove = (id: string) =>
  fixture.write(ada, { collection: 'chatMessages', type: 'delete', id })

const size = fc.constantFrom(0, 1, 90_000, 380_000, 395_000, 700_000, MAX_ATTACHMENT, 2_050_000)
const chunk = fc.oneof(
  { weight: 3, arbitrary: size.map((bytes) => [fileOf(bytes)]) },
  size.map((bytes) => [fileOf(bytes, { providerMetadata: { google: { thoughtSignature: 's' } } })]),
  size.map((bytes) => [{ ...fileOf(bytes), type: 'reasoning-file' }]),
  fc.constant([{ type: 'file', mediaType: 'image/png', url: 'https://a.test/i.png' }]),
  fc.constant([{ type: 'file', mediaType: 'text/plain', url: `data:,${'a'.repeat(600_000)}` }]),
  fc.nat({ max: 3 }).map((n) => [
    { type: 'text-start', id: `t${n}` },
    { type: 'text-delta', id: `t${n}`, delta: `Text ${n}.` },
    { type: 'text-end', id: `t${n}` },
  ]),
  fc.constantFrom(10, 300_000, 700_000, MAX_ATTACHMENT).map((length) => [
    { type: 'tool-input-available', toolCallId: 'c', toolName: 'read', input: {} },
    { type: 'tool-output-available', toolCallId: 'c', output: 'o'.repeat(length) },
  ]),
)

test('attaches what is too large for a message, and changes nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { minLength: 1, maxLength: 4 }), async (groups) => {
      // A case that failed must not fail the smaller ones.
      await fixture.rows('DELETE FROM chat_attachments')
      const chunks: Chunk[] = [{ type: 'start' }, ...groups.flat(), { type: 'finish' }]
      const without = await piped(chunks)
      expect(await attachments()).toEqual([])
      const message = await piped(chunks, { uploadUrl: UPLOAD_URL })

      const files = chunks.filter(({ type }) => /^(reasoning-)?file$/.test(type))
      const expected: unknown[] = []
      const ids: string[] = []
      for (const [index, before] of without.parts.entries()) {
        const part = message.parts[index]
        const file = /^(data-omitted|(reasoning-)?file)$/.test(String(Object(before).type))
          ? files.shift()
          : undefined
        const id = idOf(part)
        if (id !== undefined && Object(before).type === 'tool-read') {
          // Its beginning is stored with or without the upload route, and now all of it too.
          const { wholeBytes } = referenceIn(before)
          const sessionDb = { attachmentId: id, url: `/up/attachments/${id}`, wholeBytes }
          expected.push({ ...Object(before), resultProviderMetadata: { sessionDb } })
          expect((await bytesOf(id)).length).toBe(wholeBytes)
          expect(JSON.parse(String(await bytesOf(id)))).toMatch(/^o+$/)
          ids.push(id)
          continue
        }
        if (id === undefined || file === undefined) {
          expected.push(before)
          continue
        }
        // It had been omitted without the upload route.
        expect(before).toMatchObject({ type: 'data-omitted', data: { type: file.type } })
        const { type, mediaType, url, providerMetadata } = file
        const sessionDb = { attachmentId: id }
        const metadata = {
          ...(isJsonObject(providerMetadata as never) && Object(providerMetadata)),
          sessionDb,
        }
        expected.push({ type, mediaType, url: `/up/attachments/${id}`, providerMetadata: metadata })
        const bytes = Buffer.from(String(url).replace(/^.*,/, ''), 'base64')
        expect((await bytesOf(id)).equals(bytes)).toBe(true)
        ids.push(id)
      }
      expect(message.parts).toEqual(expected)
      expect({ content: message.content, status: message.status }).toEqual({
        content: without.content,
        status: without.status,
      })
      // A file that is still omitted could not be attached: too large for that too, or no base64.
      for (const part of message.parts) {
        const { type, data } = Object(part)
        if (type !== 'data-omitted' || !/file$/.test(data.type)) continue
        const bytes = Number(/of (\d+) bytes/.exec(data.reason)?.[1])
        expect(bytes > (MAX_ATTACHMENT * 4) / 3 || Math.abs(bytes - 600_050) < 100).toBe(true)
      }
      expect((await attachments()).sort()).toEqual(ids.sort())
      const options = { toolOutputs: true }
      const [inlined] = await inlineAttachments(fixture.store, ada, [message], options)
      expect(inlined?.parts.map(idOf).filter((id) => id !== undefined)).toEqual([])

      await remove(without.id)
      await remove(message.id)
      expect(await attachments()).toEqual([])
    }),
    { numRuns: cases(12, 150) },
  )
})

test.each([
  ['a short one', 'Done.'],
  ['one that is too large to attach', 'o'.repeat(MAX_ATTACHMENT)],
])('another output of the same call, %s, has no attachment of the first', async (_, output) => {
  const outputs = ['o'.repeat(700_000), output]
  const call = { toolCallId: 'c', toolName: 'read', input: {} }
  const chunks = outputs.flatMap((each) => [
    { type: 'tool-input-available', ...call },
    { type: 'tool-output-available', toolCallId: 'c', output: each },
  ])
  const all = [{ type: 'start' }, ...chunks, { type: 'finish' }]
  const [without, message] = [await piped(all), await piped(all, { uploadUrl: UPLOAD_URL })]
  expect(message.parts).toEqual(without.parts)
  expect(await attachments()).toEqual([])
  for (const { id } of [without, message]) await remove(id)
})

test('a chat handler and a resumed message attach them too', async () => {
  const question = createId()
  const value = { id: question, threadId, role: 'user', content: 'Draw' } as const
  await fixture.write(ada, { collection: 'chatMessages', type: 'insert', value })
  const handle = createChatHandler({
    store: fixture.store,
    authenticate: () => ada,
    uploadUrl: UPLOAD_URL,
    answer: () => chunksOf([{ type: 'start' }, fileOf(700_000), { type: 'finish' }]),
  })
  const response = await handle(
    new Request('http://app.test/api/chat', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'answer', threadId, messageId: question }),
    }),
  )
  const { id } = (await response.json()) as { id: string }
  await eventually(async () => {
    const message = await fixture.store.readMessage(ada, id)
    expect(message).toMatchObject({ status: 'complete', parts: [{ type: 'file' }] })
    expect(await attachments()).toEqual([idOf(message?.parts[0])])
  })
  await remove(id)

  const broken = await streamMessage(fixture.store, ada, { threadId, role: 'assistant' })
  broken.append('Here: ')
  await broken.fail()
  const stream = await resumeMessage(fixture.store, ada, broken.id, { uploadUrl: UPLOAD_URL })
  await stream.pipe(chunksOf([{ type: 'start' }, fileOf(700_000), { type: 'finish' }]))
  const resumed = await fixture.store.readMessage(ada, broken.id)
  expect(resumed?.parts).toMatchObject([{ text: 'Here: ' }, { type: 'file' }])
  expect(await attachments()).toEqual([idOf(resumed?.parts[1])])
  await remove(broken.id)
  expect(await attachments()).toEqual([])
})

test.each([
  ['7', ai7],
  ['6', ai6 as unknown as typeof ai7],
])('a model of the AI SDK %s gets the beginning of a large output, or all of it', async (_, ai) => {
  const output = { rows: Array.from({ length: 60_000 }, (_, id) => ({ id })) }
  const message = await piped(
    [
      { type: 'start' },
      { type: 'tool-input-available', toolCallId: 'c', toolName: 'read', input: { path: '/a' } },
      { type: 'tool-output-available', toolCallId: 'c', output },
      { type: 'finish' },
    ],
    { uploadUrl: UPLOAD_URL },
  )
  const resultFor = async (history: ChatMessage[]) => {
    const messages = await toModelMessages(history, ai.convertToModelMessages)
    const [call, { content }] = JSON.parse(JSON.stringify(messages))
    expect(call.content[0]).toMatchObject({ type: 'tool-call', input: { path: '/a' } })
    return content[0].output
  }
  const beginning = await resultFor(await inlineAttachments(fixture.store, ada, [message]))
  expect(beginning).toEqual({
    type: 'error-text',
    value: expect.stringMatching(/^The output of \d{6} bytes .* with: \{"rows":\[\{"id":0\},/),
  })
  expect(beginning.value.length).toBeLessThan(20_000)
  const whole = await inlineAttachments(fixture.store, ada, [message], { toolOutputs: true })
  expect(await resultFor(whole)).toMatchObject({ type: 'json', value: output })
  await remove(message.id)
  expect(await attachments()).toEqual([])
})
