import { simulateReadableStream, streamText } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UsageKey } from '../../../src/server/store/usage.ts'
import { resumeMessage, streamMessage } from '../../../src/server/streaming/index.ts'
import { cases, fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture
let sessions = 0

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

/** A session of Ada's, shared with her tenant, with two threads `<id>-a` and `<id>-b` of one message each. */
async function givenSession(more: object = { visibility: 'tenant' }): Promise<string> {
  sessions += 1
  const id = `s${sessions}`
  await fixture.write(ada, insertSession(id, more))
  for (const thread of [`${id}-a`, `${id}-b`]) {
    await fixture.write(
      ada,
      insertThread(id, thread, { mode: thread.endsWith('a') ? 'session' : 'general' }),
      insertMessage(thread, `${thread}-1`),
    )
  }
  return id
}

const sum = async (who: typeof ada, by: UsageKey, sessionId: string) =>
  Object.fromEntries(
    (await fixture.store.readUsage(who, { by, sessionId })).map(({ key, inputTokens, calls }) => [
      key,
      [calls, inputTokens],
    ]),
  )

describe('usage', () => {
  test('is summed by message, thread, session, user, model and month', async () => {
    const id = await givenSession()
    const { store } = fixture
    const record = (who: typeof ada, thread: string, callId: string, inputTokens: number) =>
      store.recordUsage(who, { messageId: `${id}-${thread}-1`, callId, inputTokens, model: 'm1' })
    expect(await record(ada, 'a', 'c1', 10)).toBe(true)
    expect(await record(ada, 'a', 'c2', 20)).toBe(true)
    expect(await record(bob, 'b', 'c1', 5)).toBe(true)
    expect(await sum(ada, 'message', id)).toEqual({ [`${id}-a-1`]: [2, 30], [`${id}-b-1`]: [1, 5] })
    expect(await sum(ada, 'thread', id)).toEqual({ [`${id}-a`]: [2, 30], [`${id}-b`]: [1, 5] })
    expect(await sum(ada, 'session', id)).toEqual({ [id]: [3, 35] })
    expect(await sum(ada, 'user', id)).toEqual({ ada: [2, 30], bob: [1, 5] })
    expect(await sum(ada, 'model', id)).toEqual({ m1: [3, 35] })
    const month = new Date().toISOString().slice(0, 7)
    expect(await sum(ada, 'month', id)).toEqual({ [month]: [3, 35] })
    const later = { by: 'user', sessionId: id, from: new Date(Date.now() + 60_000) } as const
    expect(await store.readUsage(ada, later)).toEqual([])
    await expect(store.readUsage(ada, { by: 'day' as 'user' })).rejects.toMatchObject({
      code: 'invalid',
    })
  })

  test('adds up all values', async () => {
    const id = await givenSession()
    const call = {
      messageId: `${id}-a-1`,
      inputTokens: 100,
      outputTokens: 50,
      cachedTokens: 40,
      reasoningTokens: 20,
      durationMs: 1_500,
      cost: 0.25,
    }
    await fixture.store.recordUsage(ada, { ...call, callId: '1' })
    await fixture.store.recordUsage(ada, { ...call, callId: '2' })
    expect(await fixture.store.readUsage(ada, { by: 'thread', threadId: `${id}-a` })).toEqual([
      {
        key: `${id}-a`,
        calls: 2,
        inputTokens: 200,
        outputTokens: 100,
        cachedTokens: 80,
        reasoningTokens: 40,
        durationMs: 3_000,
        cost: 0.5,
      },
    ])
  })

  test('is read by its user, and by those who may edit the session', async () => {
    const id = await givenSession()
    const record = (who: typeof ada) =>
      fixture.store.recordUsage(who, { messageId: `${id}-a-1`, callId: who.userId, inputTokens: 1 })
    await record(ada)
    await record(bob)
    expect(await sum(ada, 'user', id)).toEqual({ ada: [1, 1], bob: [1, 1] })
    expect(await sum(bob, 'user', id)).toEqual({ bob: [1, 1] })
    expect(await sum(stranger, 'user', id)).toEqual({})
    await expect(record(stranger)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('stays when its session is deleted, for its user only', async () => {
    const id = await givenSession()
    await fixture.store.recordUsage(bob, { messageId: `${id}-a-1`, callId: '1', inputTokens: 7 })
    await fixture.write(ada, { collection: 'sessions', type: 'delete', id })
    expect(await sum(bob, 'session', id)).toEqual({ [id]: [1, 7] })
    expect(await sum(ada, 'session', id)).toEqual({})
  })

  test('counts each call once, however often and concurrently it is recorded', async () => {
    const call = fc.record({
      thread: fc.constantFrom('a', 'b'),
      callId: fc.constantFrom('1', '2', '3'),
      who: fc.constantFrom(ada, bob),
      // Every repetition of a call has the same values.
      times: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 8 }), async (calls) => {
        const id = await givenSession()
        const tokensOf = ({ thread, callId }: { thread: string; callId: string }) =>
          Number(callId) * (thread === 'a' ? 10 : 1_000)
        const news = await Promise.all(
          calls.flatMap((each) =>
            Array.from({ length: each.times }, () =>
              fixture.store.recordUsage(each.who, {
                messageId: `${id}-${each.thread}-1`,
                callId: each.callId,
                inputTokens: tokensOf(each),
              }),
            ),
          ),
        )
        const distinct = new Map(calls.map((each) => [`${each.thread}${each.callId}`, each]))
        const total = [...distinct.values()].reduce((tokens, each) => tokens + tokensOf(each), 0)
        expect(news.filter(Boolean)).toHaveLength(distinct.size)
        expect(await sum(ada, 'session', id)).toEqual(
          distinct.size === 0 ? {} : { [id]: [distinct.size, total] },
        )
      }),
      { numRuns: cases(20, 300) },
    )
  })
})

describe('the usage of a streamed answer', () => {
  const usage = {
    inputTokens: { total: 30, noCache: 10, cacheRead: 20, cacheWrite: 0 },
    outputTokens: { total: 8, text: 5, reasoning: 3 },
  }
  const answer = (text: string) =>
    streamText({
      model: new MockLanguageModelV4({
        doStream: async () => ({
          stream: simulateReadableStream({
            chunks: [
              { type: 'stream-start', warnings: [] },
              { type: 'text-start', id: '1' },
              { type: 'text-delta', id: '1', delta: text },
              { type: 'text-end', id: '1' },
              { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage },
            ],
          }),
        }),
      }),
      prompt: 'Hi',
    }).toUIMessageStream({
      messageMetadata: ({ part }) =>
        part.type === 'finish' ? { usage: part.totalUsage, model: 'mock', cost: 0.01 } : undefined,
    })

  test('is recorded by pipe, once per answer', async () => {
    const id = await givenSession()
    const stream = await streamMessage(fixture.store, ada, {
      threadId: `${id}-a`,
      role: 'assistant',
    })
    await stream.pipe(answer('Hello'))
    const [found] = await fixture.store.readUsage(ada, { by: 'message', threadId: `${id}-a` })
    expect(found).toMatchObject({
      key: stream.id,
      calls: 1,
      inputTokens: 30,
      outputTokens: 8,
      cachedTokens: 20,
      reasoningTokens: 3,
      cost: 0.01,
    })
    expect(found?.durationMs).toBeGreaterThanOrEqual(0)
  })

  test('counts only what was reported when an answer breaks off and is resumed', async () => {
    const id = await givenSession()
    const stream = await streamMessage(fixture.store, ada, {
      threadId: `${id}-a`,
      role: 'assistant',
    })
    async function* broken() {
      yield { type: 'text-start', id: '1' }
      yield { type: 'text-delta', id: '1', delta: 'Hel' }
      throw new Error('connection lost')
    }
    await expect(stream.pipe(broken())).rejects.toThrow('connection lost')
    const resumed = await resumeMessage(fixture.store, ada, stream.id)
    await resumed.pipe(answer('Hello'))
    const [found] = await fixture.store.readUsage(ada, { by: 'message', threadId: `${id}-a` })
    expect(found).toMatchObject({ calls: 1, inputTokens: 30 })
  })
})
