import {
  convertToModelMessages,
  isStepCount,
  readUIMessageStream,
  simulateReadableStream,
  streamText,
  tool,
  type UIMessage,
} from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import { createId } from '../../../src/collections/index.ts'
import { streamMessage } from '../../../src/server/index.ts'
import { finished } from '../docs/model.ts'
import { ada, type StoreFixture, startStore } from '../server/store-fixture.ts'

/**
 * Providers refuse a conversation that has lost what they put beside their parts. These fakes refuse the same, in a
 * conversation of two answers with reasoning, a tool call and text, which comes back from the database.
 */

let fixture: StoreFixture
beforeAll(async () => {
  fixture = await startStore({ requestLimits: false })
})
afterAll(() => fixture.close())

type Chunk = { readonly type: string; readonly [key: string]: unknown }
type Metadata = Record<string, Record<string, string | null>>
/** A part of a prompt, as a provider receives it. */
interface PromptPart {
  readonly type: string
  readonly text?: string
  readonly toolCallId?: string
  readonly providerOptions?: Metadata
}

interface Provider {
  /** Returns the chunks of the model's n-th call. */
  readonly chunks: (call: number) => Chunk[]
  /** Throws an error for what the provider would refuse: the parts of its own earlier answers. */
  readonly check: (answers: PromptPart[]) => void
}

const reasoning = (id: string, deltas: string[], start?: Metadata, end?: Metadata): Chunk[] => [
  { type: 'reasoning-start', id, ...(start && { providerMetadata: start }) },
  ...deltas.map((delta) => ({ type: 'reasoning-delta', id, delta })),
  ...(end ? [{ type: 'reasoning-delta', id, delta: '', providerMetadata: end }] : []),
  { type: 'reasoning-end', id, ...(end && { providerMetadata: end }) },
]
const text = (id: string, deltas: string[], metadata?: Metadata): Chunk[] => [
  { type: 'text-start', id, ...(metadata && { providerMetadata: metadata }) },
  ...deltas.map((delta) => ({ type: 'text-delta', id, delta })),
  { type: 'text-end', id, ...(metadata && { providerMetadata: metadata }) },
]
const call = (id: string, providerMetadata?: Metadata): Chunk => ({
  type: 'tool-call',
  toolCallId: id,
  toolName: 'now',
  input: '{"zone":"UTC"}',
  ...(providerMetadata && { providerMetadata }),
})

/** Odd calls think and call a tool, even ones think and answer. */
const isToolCall = (n: number) => n % 2 === 1

const anthropic: Provider = {
  chunks: (n) => [
    ...reasoning(`${n}`, ['Let me ', `think ${n}.`], undefined, {
      anthropic: { signature: `sig${n}` },
    }),
    ...reasoning(`${n}r`, [], { anthropic: { redactedData: `redacted${n}` } }),
    ...(isToolCall(n) ? [call(`toolu_${n}`)] : text(`${n}t`, ['It is ', 'noon.'])),
  ],
  check(answers) {
    const [signed, redacted] = answers.filter(({ type }) => type === 'reasoning')
    if (signed?.providerOptions?.anthropic?.signature === undefined) {
      throw new Error('messages.1.content.0.thinking.signature: Field required')
    }
    if (signed.text !== `Let me think ${signed.providerOptions.anthropic.signature?.slice(3)}.`) {
      throw new Error('messages.1.content.0: Invalid signature in thinking block')
    }
    if (redacted?.providerOptions?.anthropic?.redactedData === undefined) {
      throw new Error('Expected a redacted_thinking block')
    }
    const blocks = answers.filter(({ type }) => type === 'tool-call' || type === 'reasoning')
    if (blocks[0]?.type !== 'reasoning') {
      throw new Error('Expected thinking, but found tool_use')
    }
  },
}

const gemini: Provider = {
  chunks: (n) => [
    ...reasoning(`${n}`, [`Thought ${n}.`], { google: { thoughtSignature: `r${n}` } }),
    ...(isToolCall(n)
      ? [call(`call_${n}`, { google: { thoughtSignature: `c${n}` } })]
      : text(`${n}t`, ['It is ', 'noon.'], { google: { thoughtSignature: `t${n}` } })),
  ],
  check(answers) {
    for (const { type, providerOptions } of answers) {
      if (type === 'tool-result') continue
      if (!/^[rct]\d+$/.test(String(providerOptions?.google?.thoughtSignature))) {
        throw new Error(`Function call or text is missing a thought_signature: ${type}`)
      }
    }
  },
}

const openai: Provider = {
  chunks: (n) => [
    // Summaries of one item of reasoning are parts with the same item id.
    ...reasoning(
      `rs_${n}:0`,
      [`Summary ${n}.`],
      {
        openai: { itemId: `rs_${n}`, reasoningEncryptedContent: null },
      },
      { openai: { itemId: `rs_${n}`, reasoningEncryptedContent: `enc${n}` } },
    ),
    ...reasoning(`rs_${n}:1`, ['More.'], undefined, {
      openai: { itemId: `rs_${n}`, reasoningEncryptedContent: `enc${n}` },
    }),
    ...(isToolCall(n)
      ? [call(`call_${n}`, { openai: { itemId: `fc_${n}` } })]
      : text(`msg_${n}`, ['It is ', 'noon.'], { openai: { itemId: `msg_${n}` } })),
  ],
  check(answers) {
    let last: string | undefined
    for (const { type, providerOptions } of answers) {
      if (type === 'tool-result') continue
      const { itemId, reasoningEncryptedContent } = providerOptions?.openai ?? {}
      if (typeof itemId !== 'string') throw new Error(`Item of type ${type} has no id`)
      if (type === 'reasoning' && reasoningEncryptedContent !== `enc${itemId.slice(3)}`) {
        throw new Error(`Encrypted content of ${itemId} could not be verified`)
      }
      if (type !== 'reasoning' && last !== `rs_${itemId.split('_')[1]}`) {
        throw new Error(`Item ${itemId} was provided without its required 'reasoning' item`)
      }
      last = itemId
    }
  },
}

function modelOf({ chunks, check }: Provider) {
  let n = 0
  return new MockLanguageModelV4({
    doStream: async ({ prompt }) => {
      const answers = prompt.flatMap(({ role, content }) =>
        role === 'assistant' ? (content as unknown as PromptPart[]) : [],
      )
      if (answers.length > 0) check(answers)
      n += 1
      const end = finished(isToolCall(n) ? 'tool-calls' : 'stop')
      const all = [{ type: 'stream-start', warnings: [] }, ...chunks(n), end]
      return { stream: simulateReadableStream({ chunks: all }) } as never
    },
  })
}

const tools = {
  now: tool({ inputSchema: z.object({ zone: z.string() }), execute: async () => '12:00' }),
}
const ask = (model: MockLanguageModelV4, messages: Parameters<typeof streamText>[0]['messages']) =>
  streamText({ model, messages: messages ?? [], tools, stopWhen: isStepCount(2), maxRetries: 0 })

async function startThread(): Promise<string> {
  const [sessionId, threadId] = [createId(), createId()]
  const thread = { id: threadId, sessionId, mode: 'session', title: 'T' } as const
  await fixture.write(
    ada,
    { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S' } },
    { collection: 'chatThreads', type: 'insert', value: thread },
  )
  return threadId
}

async function question(threadId: string, content: string): Promise<void> {
  const value = { id: createId(), threadId, role: 'user', content } as const
  await fixture.write(ada, { collection: 'chatMessages', type: 'insert', value })
}

async function historyOf(threadId: string) {
  const page = await fixture.store.readThread(ada, threadId, { last: 200 })
  return toModelMessages(page?.messages ?? [], convertToModelMessages)
}

const QUESTIONS = ['What is the time?', 'Are you sure?', 'Really?']

/** The prompts of a conversation that is never stored: the SDK's own. */
async function promptsOfSdk(provider: Provider) {
  const model = modelOf(provider)
  const messages: UIMessage[] = []
  for (const [index, content] of QUESTIONS.entries()) {
    messages.push({ id: `q${index}`, role: 'user', parts: [{ type: 'text', text: content }] })
    const stream = ask(model, await convertToModelMessages(messages)).toUIMessageStream()
    let last: UIMessage | undefined
    for await (const message of readUIMessageStream({ stream })) last = message
    if (last !== undefined) messages.push(last)
  }
  return model.doStreamCalls.map(({ prompt }) => prompt)
}

/** Prompts as JSON. `toModelMessages` writes `providerExecuted: false` where the SDK leaves it out. */
const asJson = (prompts: unknown): unknown =>
  JSON.parse(
    JSON.stringify(prompts, (key, value) =>
      key === 'providerExecuted' && value === false ? undefined : value,
    ),
  )

const providers = Object.entries({ Anthropic: anthropic, Gemini: gemini, OpenAI: openai })

test.each(providers)('%s gets back what it has sent, from the database', async (_, provider) => {
  const model = modelOf(provider)
  const threadId = await startThread()
  for (const content of QUESTIONS) {
    await question(threadId, content)
    const result = ask(model, await historyOf(threadId))
    const message = { threadId, role: 'assistant', flushMs: 0 } as const
    const stream = await streamMessage(fixture.store, ada, message)
    await stream.pipe(result.toUIMessageStream())
    expect(await fixture.store.readMessage(ada, stream.id)).toMatchObject({
      status: 'complete',
      content: 'It is noon.',
    })
  }
  expect(model.doStreamCalls).toHaveLength(2 * QUESTIONS.length)
  const prompts = model.doStreamCalls.map(({ prompt }) => prompt)
  expect(asJson(prompts)).toEqual(asJson(await promptsOfSdk(provider)))
})

test.each(providers)(
  '%s accepts an answer that was stopped in its tool call',
  async (_, provider) => {
    const model = modelOf(provider)
    const threadId = await startThread()
    await question(threadId, 'What is the time?')
    const stop = new AbortController()
    const stopped = streamText({
      model,
      messages: await historyOf(threadId),
      abortSignal: stop.signal,
      tools: {
        now: tool({
          inputSchema: z.object({ zone: z.string() }),
          execute: () => new Promise<string>(() => stop.abort()),
        }),
      },
      maxRetries: 0,
    })
    const stream = await streamMessage(fixture.store, ada, {
      threadId,
      role: 'assistant',
      flushMs: 0,
    })
    await stream.pipe(stopped.toUIMessageStream())
    expect(await fixture.store.readMessage(ada, stream.id)).toMatchObject({ status: 'error' })

    await question(threadId, 'Go on.')
    const next = await streamMessage(fixture.store, ada, {
      threadId,
      role: 'assistant',
      flushMs: 0,
    })
    await next.pipe(ask(model, await historyOf(threadId)).toUIMessageStream())
    expect(await fixture.store.readMessage(ada, next.id)).toMatchObject({ status: 'complete' })
  },
)

test.each(providers)('%s refuses a history that has lost its metadata', async (_, provider) => {
  const model = modelOf(provider)
  const threadId = await startThread()
  await question(threadId, 'What is the time?')
  const stream = await streamMessage(fixture.store, ada, {
    threadId,
    role: 'assistant',
    flushMs: 0,
  })
  await stream.pipe(ask(model, await historyOf(threadId)).toUIMessageStream())
  await question(threadId, 'Sure?')
  const page = await fixture.store.readThread(ada, threadId, { last: 200 })
  const lost = (page?.messages ?? []).map((message) => ({
    ...message,
    parts: message.parts.map((part) => {
      const { providerMetadata: _, callProviderMetadata: __, ...rest } = Object(part)
      return rest
    }),
  }))
  const messages = await toModelMessages(lost, convertToModelMessages)
  const next = await streamMessage(fixture.store, ada, { threadId, role: 'assistant', flushMs: 0 })
  await next.pipe(ask(model, messages).toUIMessageStream()).catch(() => {})
  expect(await fixture.store.readMessage(ada, next.id)).toMatchObject({ status: 'error' })
})
