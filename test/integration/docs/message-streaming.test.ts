import { isStepCount, streamText, tool } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as browser from '../../../src/collections/index.ts'
import { type Principal, toUIMessage } from '../../../src/schema/index.ts'
import {
  resumeMessage,
  type SessionStore,
  streamMessage,
  watchAbandonedMessages,
} from '../../../src/server/index.ts'
import { type AppServer, startAppServer } from '../collections/app-server.ts'
import { openAs } from '../collections/open-as.ts'
import { finished, modelSaying, said } from './model.ts'

let app: AppServer
let store: SessionStore
let principal: Principal
let db: browser.SessionCollections
let threadId: string

beforeAll(async () => {
  app = await startAppServer()
  store = app.store
  principal = app.principal('acme/ann')
})
afterAll(() => app.close())

beforeEach(async () => {
  db = openAs(app, 'acme/ann')
  threadId = browser.createId()
  const sessionId = browser.createId()
  await db.actions.write([
    { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S' } },
    {
      collection: 'chatThreads',
      type: 'insert',
      value: { id: threadId, sessionId, mode: 'session', title: 'T' },
    },
  ]).committed
})

describe('docs/message-streaming.md', () => {
  test('append, finish, resume', async () => {
    const answer = ['It is ', 'noon.']
    const stream = await streamMessage(store, principal, { threadId, role: 'assistant' })
    for await (const delta of answer) stream.append(delta)
    await stream.finish()
    expect(await store.readMessage(principal, stream.id)).toMatchObject({
      content: 'It is noon.',
      status: 'complete',
    })

    const asked = await streamMessage(store, principal, { threadId, role: 'assistant' })
    const answerId = asked.id
    asked.append('It is ')
    await asked.flush()
    const stopped = await resumeMessage(store, principal, answerId)
    await stopped.fail({ code: 'aborted', message: 'Stopped.' })
    asked.append('noon.')
    await expect(asked.flush()).rejects.toMatchObject({ code: 'conflict' })
    expect(await store.readMessage(principal, answerId)).toMatchObject({
      content: 'It is ',
      status: 'error',
      metadata: { stream: { error: { code: 'aborted', message: 'Stopped.' } } },
    })

    const lost = await streamMessage(store, principal, { threadId, role: 'assistant' })
    lost.append('Half of ')
    await lost.flush()
    const messageId = lost.id
    const database = app.databaseUrl
    const restOf = async (content: string) => `it, after "${content}"`
    const watch = watchAbandonedMessages({ database, timeoutMs: 60_000 })
    const resumed = await resumeMessage(store, principal, messageId)
    resumed.append(await restOf(resumed.content))
    await resumed.finish()
    await watch.stop()
    expect((await store.readMessage(principal, messageId))?.content).toBe(
      'Half of it, after "Half of "',
    )
  })

  test('an AI SDK result with a tool', async () => {
    const model = modelSaying(
      [
        { type: 'reasoning-start', id: 'r' },
        { type: 'reasoning-delta', id: 'r', delta: 'I need ' },
        { type: 'reasoning-delta', id: 'r', delta: 'a clock.' },
        { type: 'reasoning-end', id: 'r' },
        ...said('Let me see. '),
        { type: 'tool-call', toolCallId: 'c1', toolName: 'clock', input: '{"zone":"UTC"}' },
        finished('tool-calls'),
      ],
      [...said('It is noon.'), finished('stop')],
    )
    const tools = {
      clock: tool({
        inputSchema: z.object({ zone: z.string() }),
        execute: async () => ({ time: '12:00' }),
      }),
    }
    const result = streamText({
      model,
      prompt: 'What is the time?',
      tools,
      stopWhen: isStepCount(2),
    })
    const piped = await streamMessage(store, principal, { threadId, role: 'assistant' })
    await piped.pipe(result.toUIMessageStream())
    const message = await store.readMessage(principal, piped.id)
    expect(message).toMatchObject({
      status: 'complete',
      content: 'Let me see. It is noon.',
      parts: [
        { type: 'step-start' },
        { type: 'reasoning', text: 'I need a clock.' },
        { type: 'text', text: 'Let me see. ' },
        {
          type: 'tool-clock',
          toolCallId: 'c1',
          state: 'output-available',
          input: { zone: 'UTC' },
          output: { time: '12:00' },
        },
        { type: 'step-start' },
        { type: 'text', text: 'It is noon.' },
      ],
    })
  })

  test('a failing AI SDK result keeps the received text', async () => {
    const model = modelSaying([...said('So far '), { type: 'error', error: new Error('secret') }])
    const result = streamText({ model, prompt: 'x', onError: () => {} })
    const piped = await streamMessage(store, principal, { threadId, role: 'assistant' })
    await piped.pipe(result.toUIMessageStream())
    const message = await store.readMessage(principal, piped.id)
    expect(message).toMatchObject({
      status: 'error',
      metadata: { stream: { error: { code: 'failed' } } },
    })
    expect(message?.content).toBe('So far ')
    expect(JSON.stringify(message)).not.toContain('secret')
  })

  test('from the browser', async () => {
    const { streamMessage } = browser
    const typed = streamMessage(db, { threadId, role: 'assistant' })
    typed.append('It is ')
    typed.append('noon.')
    await typed.finish()
    const message = await store.readMessage(principal, typed.id)
    expect(message).toMatchObject({ content: 'It is noon.', parts: [], status: 'complete' })
    if (message === undefined) throw new Error('unreachable')
    expect(toUIMessage(message).parts).toEqual([{ type: 'text', text: 'It is noon.' }])
  })
})
