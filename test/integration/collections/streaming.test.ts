import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as browser from '../../../src/collections/index.ts'
import type { ChatMessage } from '../../../src/schema/index.ts'
import { markAbandonedMessages, resumeMessage, streamMessage } from '../../../src/server/index.ts'
import { type AppServer, startAppServer } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

interface Place {
  readonly db: browser.SessionCollections
  readonly sessionId: string
  readonly threadId: string
}

async function openThread(
  user: string,
  visibility: 'private' | 'tenant' = 'tenant',
): Promise<Place> {
  const db = openAs(app, user)
  const [sessionId, threadId] = [browser.createId(), browser.createId()]
  await db.actions.write([
    { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S', visibility } },
    {
      collection: 'chatThreads',
      type: 'insert',
      value: { id: threadId, sessionId, mode: 'session', title: 'T' },
    },
  ]).committed
  return { db, sessionId, threadId }
}

function follow(db: browser.SessionCollections, thread: browser.ThreadRef, id: string) {
  const { messages } = db.thread(thread)
  const seen: string[] = []
  const subscription = messages.subscribeChanges(
    () => {
      const content = messages.get(id)?.content
      if (content !== undefined && content !== seen.at(-1)) seen.push(content)
    },
    { includeInitialState: true },
  )
  const row = () => messages.get(id) as ChatMessage
  return { seen, row, stop: () => subscription.unsubscribe() }
}

const patient = { timeout: 30_000, interval: 10 }

describe('a message that is streamed', () => {
  test('from the server grows in every window, without a copy of the message per delta', async () => {
    const { db, sessionId, threadId } = await openThread('acme/ann')
    const other = openAs(app, 'acme/bob')
    await Promise.all([
      db.thread({ id: threadId, sessionId }).messages.preload(),
      other.thread({ id: threadId, sessionId }).messages.preload(),
    ])
    const stream = await streamMessage(app.store, app.principal('acme/ann'), {
      threadId,
      role: 'assistant',
      flushMs: 10,
    })
    const windows = [
      follow(db, { id: threadId, sessionId }, stream.id),
      follow(other, { id: threadId, sessionId }, stream.id),
    ]
    let text = ''
    for (let n = 0; n < 20; n++) {
      stream.append(`word ${n} `)
      text += `word ${n} `
      const now = text
      await vi.waitFor(() => expect(windows[0]?.row()?.content).toBe(now), patient)
    }
    for (const { row, seen } of windows) {
      await vi.waitFor(() => expect(row().content).toBe(text), patient)
      expect(row().status).toBe('streaming')
      expect(seen.every((content) => text.startsWith(content))).toBe(true)
    }
    await stream.finish({ metadata: { model: 'm' } })
    for (const { row } of windows) {
      await vi.waitFor(() => expect(row().status).toBe('complete'), patient)
      expect(row()).toMatchObject({ content: text, metadata: { model: 'm' }, version: 2 })
    }
    for (const { seen } of windows)
      expect(seen.every((content) => text.startsWith(content))).toBe(true)
  })

  test('shows to a client that joins in the middle, in the session and in the thread', async () => {
    const { sessionId, threadId } = await openThread('acme/ann')
    const stream = await streamMessage(app.store, app.principal('acme/ann'), {
      threadId,
      role: 'assistant',
    })
    stream.append('What was said ')
    await stream.flush()
    const late = openAs(app, 'acme/bob')
    const { messages } = late.session(sessionId)
    await messages.preload()
    await vi.waitFor(() => expect(messages.get(stream.id)?.content).toBe('What was said '), patient)
    stream.append('before.')
    await vi.waitFor(
      () => expect(messages.get(stream.id)?.content).toBe('What was said before.'),
      patient,
    )
    await stream.finish()
  })

  test('from the browser, with parts', async () => {
    const { db, sessionId, threadId } = await openThread('acme/ann')
    const other = openAs(app, 'acme/bob')
    await db.thread({ id: threadId, sessionId }).messages.preload()
    await other.thread({ id: threadId, sessionId }).messages.preload()
    const stream = browser.streamMessage(db, { threadId, role: 'assistant', flushMs: 10 })
    expect(db.thread({ id: threadId, sessionId }).messages.get(stream.id)).toMatchObject({
      status: 'streaming',
    })
    const window = follow(other, { id: threadId, sessionId }, stream.id)
    stream.append('Let me look. ')
    stream.setPart({ type: 'tool-search', toolCallId: 'c1', state: 'input-available', input: 'x' })
    await vi.waitFor(() => expect(window.row()?.parts).toHaveLength(2), patient)
    stream.setPart({
      type: 'tool-search',
      toolCallId: 'c1',
      state: 'output-available',
      input: 'x',
      output: 1,
    })
    stream.append('Found it.')
    await stream.finish()
    await vi.waitFor(() => expect(window.row()?.status).toBe('complete'), patient)
    expect(window.row()).toMatchObject({
      content: 'Let me look. Found it.',
      parts: [
        { type: 'text', text: 'Let me look. ' },
        { type: 'tool-search', toolCallId: 'c1', state: 'output-available', input: 'x', output: 1 },
        { type: 'text', text: 'Found it.' },
      ],
    })
  })

  test('is shown only to users who may see its session, and disappears when revoked', async () => {
    const { db, sessionId, threadId } = await openThread('acme/ann')
    const bob = openAs(app, 'acme/bob')
    const stranger = openAs(app, 'rival/ann')
    await bob.thread({ id: threadId, sessionId }).messages.preload()
    const stream = await streamMessage(app.store, app.principal('acme/ann'), {
      threadId,
      role: 'assistant',
    })
    stream.append('secret')
    await vi.waitFor(
      () =>
        expect(bob.thread({ id: threadId, sessionId }).messages.get(stream.id)?.content).toBe(
          'secret',
        ),
      patient,
    )
    await stranger.thread({ id: threadId, sessionId }).messages.preload()
    expect(stranger.thread({ id: threadId, sessionId }).messages.size).toBe(0)
    await db.actions.updateSession(sessionId, { visibility: 'private' }).committed
    await vi.waitFor(
      () => expect(bob.thread({ id: threadId, sessionId }).messages.size).toBe(0),
      patient,
    )
    stream.append(' and more')
    await stream.finish()
    expect(bob.thread({ id: threadId, sessionId }).messages.size).toBe(0)
  })
})

describe('when the writer is gone', () => {
  test('keeps and marks what was written, to be resumed', async () => {
    const { db, sessionId, threadId } = await openThread('acme/ann')
    const ann = app.principal('acme/ann')
    await db.thread({ id: threadId, sessionId }).messages.preload()
    const lost = await streamMessage(app.store, ann, { threadId, role: 'assistant' })
    const window = follow(db, { id: threadId, sessionId }, lost.id)
    lost.append('It began ')
    await lost.flush()
    expect(await markAbandonedMessages({ database: app.databaseUrl })).toEqual([])
    await vi.waitFor(async () => {
      const marked = await markAbandonedMessages({ database: app.databaseUrl, timeoutMs: 1 })
      expect(marked.map(({ id }) => id)).toContain(lost.id)
    }, patient)
    await vi.waitFor(() => expect(window.row().status).toBe('error'), patient)
    expect(window.row()).toMatchObject({
      content: 'It began ',
      metadata: { stream: { error: { code: 'abandoned' } } },
    })
    lost.append('from the grave')
    await expect(lost.flush()).rejects.toMatchObject({ code: 'conflict' })

    const stream = await resumeMessage(app.store, ann, lost.id)
    expect(stream.content).toBe('It began ')
    stream.append('and went on.')
    await stream.finish()
    await vi.waitFor(() => expect(window.row().status).toBe('complete'), patient)
    expect(window.row()).toMatchObject({ content: 'It began and went on.', metadata: {} })
    expect(window.seen).toEqual([...new Set(window.seen)])
    expect(window.row().metadata).toEqual({})
  })

  test('lets another window take over without waiting', async () => {
    const { db, sessionId, threadId } = await openThread('acme/ann')
    await db.thread({ id: threadId, sessionId }).messages.preload()
    const lost = browser.streamMessage(db, { threadId, role: 'assistant', metadata: { kept: 1 } })
    lost.append('One, ')
    await lost.flush()
    const window = follow(db, { id: threadId, sessionId }, lost.id)
    await vi.waitFor(() => expect(window.row()?.content).toBe('One, '), patient)
    const stream = await browser.resumeMessage(db, lost.id)
    expect(stream.content).toBe('One, ')
    stream.append('two')
    await vi.waitFor(() => expect(window.row().content).toBe('One, two'), patient)
    await stream.fail('The model is tired.')
    await vi.waitFor(() => expect(window.row().status).toBe('error'), patient)
    expect(window.row()).toMatchObject({
      content: 'One, two',
      metadata: { kept: 1, stream: { error: { code: 'failed', message: 'The model is tired.' } } },
    })
    expect(window.seen.every((content) => 'One, two'.startsWith(content))).toBe(true)
  })
})
