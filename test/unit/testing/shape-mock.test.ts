import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { sessionColumns } from '../../../src/schema/index.ts'
import { defineShape, where } from '../../../src/shapes/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'
import { eventually } from '../../support/eventually.ts'
import { runProgram } from '../../support/program.ts'
import { ann, bob, electricUrl, openMock } from './support/open-mock.ts'

const session = { id: 's1', title: 'Fix the login' }
const withThread = {
  sessions: [session],
  chatThreads: [{ id: 't1', sessionId: 's1' }],
  chatMessages: [{ id: 'm1', threadId: 't1', content: 'Why?' }],
}

interface Message {
  readonly headers: Record<string, unknown>
  readonly value?: Record<string, string | null>
}

async function ask(query: Record<string, string>, shape = 'sessions', init: RequestInit = {}) {
  const response = await fetch(`${electricUrl}/${shape}?${new URLSearchParams(query)}`, init)
  return { response, messages: (await response.json()) as Message[] }
}

async function liveQuery(shape: string, query: Record<string, string> = {}) {
  const { response } = await ask({ ...query, offset: '-1' }, shape)
  const handle = response.headers.get('electric-handle') ?? ''
  return { ...query, handle, offset: '0_inf', live: 'true' }
}

describe('rows', () => {
  test('get the database’s defaults for omitted properties', () => {
    const { mock } = openMock({ tables: withThread })
    expect(mock.rows('sessions')[0]).toMatchObject({
      tenantId: 'acme',
      ownerId: 'ann',
      visibility: 'private',
      status: 'pending',
      repo: null,
      metadata: {},
      version: 1,
    })
    expect(mock.rows('chatThreads')[0]).toMatchObject({
      createdBy: 'ann',
      status: 'active',
      messageCount: 1,
      lastMessagePreview: 'Why?',
      version: 1,
    })
    expect(mock.rows('chatMessages')[0]).toMatchObject({ sessionId: 's1', position: 1, parts: [] })
    expect(mock.insert('timelineEvents', { sessionId: 's1' }).seq).toBe(0)
    expect(mock.insert('timelineEvents', { sessionId: 's1' }).seq).toBe(1)
  })

  test('are refused with a reason if the database would refuse them', () => {
    const { mock } = openMock({ tables: withThread })
    const before = mock.rows('chatThreads')
    expect(() => mock.insert('chatMessages', { threadId: 'nowhere' })).toThrow(
      /no thread 'nowhere'/,
    )
    expect(() => mock.insert('sessions', { id: 's1' })).toThrow(/already/)
    expect(() => mock.insert('sessions', { title: '' })).toThrow(/title/)
    expect(() => mock.update('sessions', 's1', { eventCount: -1 })).toThrow(/eventCount/)
    expect(() => mock.update('sessions', 's2', {})).toThrow(/no row 's2'.*tenant 'acme'/)
    expect(mock.rows('chatThreads')).toEqual(before)
  })

  test('change as the database’s triggers change them', () => {
    const { mock } = openMock({ tables: withThread })
    mock.insert('chatMessages', { threadId: 't1', content: 'Because.' })
    expect(mock.rows('chatThreads')[0]).toMatchObject({
      messageCount: 2,
      lastPosition: 2,
      lastMessagePreview: 'Because.',
      version: 2,
    })
    mock.insert('chatThreads', { id: 't2', sessionId: 's1' })
    expect(mock.rows('chatThreads').map(({ status }) => status)).toEqual(['archived', 'active'])
    mock.delete('sessions', 's1')
    expect(mock.rows('chatMessages')).toEqual([])
  })

  test('are unchanged after a transaction that throws', () => {
    const { mock } = openMock({ tables: withThread })
    const work = () => {
      mock.update('sessions', 's1', { title: 'Other' })
      mock.insert('chatMessages', { threadId: 'nowhere' })
    }
    expect(() => mock.transaction(work)).toThrow()
    expect(mock.rows('sessions')[0]?.title).toBe('Fix the login')
  })
})

describe('a stream', () => {
  test('carries the txid of a transaction once to every shape it touched', async () => {
    const { mock } = openMock({ tables: withThread })
    const [threads, messages] = await Promise.all([
      liveQuery('session-threads', { sessionId: 's1' }),
      liveQuery('thread-messages', { sessionId: 's1', threadId: 't1' }),
    ])
    const txid = mock.transaction(() => {
      mock.insert('chatMessages', { threadId: 't1' })
      mock.insert('chatMessages', { threadId: 't1' })
    })
    for (const [shape, query] of [
      ['session-threads', threads],
      ['thread-messages', messages],
    ] as const) {
      const { messages: sent } = await ask(query, shape)
      expect(sent.slice(0, 2).map(({ headers }) => headers.txids)).toEqual([[txid], [txid]])
      expect(sent.map(({ headers }) => headers.last)).toEqual([undefined, true, undefined])
    }
  })

  test('moves the rows of a session out and in, by tags', async () => {
    const { mock } = openMock({ tables: withThread })
    const query = await liveQuery('thread-messages', { sessionId: 's1', threadId: 't1' })
    const revoked = ask(query, 'thread-messages')
    mock.revoke('s1')
    const { response, messages } = await revoked
    expect(messages.map(({ headers }) => headers.event ?? headers.control)).toEqual([
      'move-out',
      'up-to-date',
    ])
    mock.update('chatMessages', 'm1', { content: 'unseen' })
    mock.grant('s1')
    const offset = response.headers.get('electric-offset') ?? ''
    const { messages: granted } = await ask({ ...query, offset }, 'thread-messages')
    expect(granted.map(({ headers }) => headers.event ?? headers.control ?? 'row')).toEqual([
      'move-in',
      'row',
      'snapshot-end',
      'up-to-date',
    ])
    expect(granted[1]).toMatchObject({
      headers: { is_move_in: true },
      value: { content: 'unseen' },
    })
  })

  test('has only the rows its user may see, for two users and two tenants', async () => {
    const users: Record<string, typeof ann> = {
      ann,
      bob,
      eve: { tenantId: 'rival', userId: 'ann' },
    }
    const { mock, open } = openMock({
      authenticate: (request) => users[request.headers.get('authorization') ?? ''] ?? null,
      tables: {
        sessions: [
          { id: 's1', title: 'private to ann' },
          { id: 's2', title: 'shared', visibility: 'tenant' },
          { id: 's2', title: 'of the rival', tenantId: 'rival' },
        ],
      },
    })
    const as = (authorization: string) => open({ headers: { authorization } }).sessions
    const [forAnn, forBob, forEve] = [as('ann'), as('bob'), as('eve')]
    await Promise.all([forAnn, forBob, forEve].map((sessions) => sessions.preload()))
    const titles = () =>
      [forAnn, forBob, forEve].map((rows) => rows.toArray.map((row) => row.title))
    expect(titles()).toEqual([['private to ann', 'shared'], ['shared'], ['of the rival']])
    mock.grant('s1')
    await eventually(() => expect(forBob.size).toBe(2))
    expect(forEve.size).toBe(1)
  })

  test('of an app’s own shape has the rows of the app’s condition', async () => {
    const { tenantId, id, title } = sessionColumns
    const definition = {
      table: 'sessions',
      columns: { tenantId, id, title },
      rows: () => where.eq('status', 'ready'),
    }
    const ready = defineShape(definition)
    const tables = { sessions: [session, { id: 's2', status: 'ready' as const, title: 'Done' }] }
    openMock({ tables, shapes: { ready } })
    const { messages } = await ask({ offset: '-1' }, 'ready')
    expect(messages[0]?.value).toEqual({ tenant_id: 'acme', id: 's2', title: 'Done' })
    const notes = defineShape({ ...definition, table: 'notes' })
    expect(() => createShapeMock({ electricUrl, shapes: { notes } })).toThrow(/table 'notes'/)
  })
})

describe('the responses are those of the proxy', () => {
  test.each([
    [404, 'nothing', { offset: '-1' }],
    [400, 'sessions', { offset: '-1', where: 'true' }],
    [400, 'sessions', { offset: '-1', tenant: 'rival' }],
    [400, 'session-threads', { offset: '-1' }],
    [400, 'sessions', { offset: 'x' }],
  ])('%i for %s with %o', async (status, shape, query) => {
    openMock()
    const { response, messages } = await ask(query as Record<string, string>, shape)
    expect(response.status).toBe(status)
    expect(messages).toHaveProperty('error.code', status === 404 ? 'not_found' : 'invalid')
  })

  test('are private for caches, and 304 for a matching ETag', async () => {
    openMock({ tables: withThread })
    const { response } = await ask({ offset: '-1' })
    expect(response.headers.get('cache-control')).toBe('private, no-cache')
    const etag = response.headers.get('etag') ?? ''
    const again = await fetch(`${electricUrl}/sessions?offset=-1`, {
      headers: { 'if-none-match': etag },
    })
    expect(again.status).toBe(304)
  })
})

describe('faults', () => {
  test('a stream recovers from a dropped connection', async () => {
    const { mock, open } = openMock({ tables: withThread })
    const db = open()
    await db.sessions.preload()
    mock.dropConnection()
    await eventually(() => expect(db.status(db.sessions).get().lastError?.code).toBe('unavailable'))
    mock.update('sessions', 's1', { title: 'Meanwhile' })
    mock.restoreConnection()
    await eventually(() => expect(db.sessions.get('s1')?.title).toBe('Meanwhile'))
    expect(db.status(db.sessions).get().lastError).toBeNull()
  })

  test('a slow first page delays only the loading of a collection', async () => {
    const { mock, open } = openMock({ tables: withThread })
    const db = open()
    mock.slowFirstPage(60)
    const began = performance.now()
    const loading = db.sessions.preload()
    expect(db.sessions.status).toBe('loading')
    await loading
    expect(performance.now() - began).toBeGreaterThan(55)
    mock.slowFirstPage(60_000)
    mock.update('sessions', 's1', { title: 'Quick' })
    await eventually(() => expect(db.sessions.get('s1')?.title).toBe('Quick'))
  })

  test('a delay applies to every response', async () => {
    const { mock } = openMock()
    const query = await liveQuery('sessions')
    mock.delay(60)
    const began = performance.now()
    const live = ask(query)
    mock.insert('sessions')
    await live
    expect(performance.now() - began).toBeGreaterThan(55)
  })

  test('an interruption applies once, to one shape', async () => {
    const { mock } = openMock({ tables: withThread })
    mock.next.unavailable({ shape: 'session-threads', retryAfterSeconds: 7 })
    expect((await ask({ offset: '-1' })).response.status).toBe(200)
    const { response, messages } = await ask({ offset: '-1', sessionId: 's1' }, 'session-threads')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '7'])
    expect(messages).toHaveProperty('error.code', 'unavailable')
    const again = await ask({ offset: '-1', sessionId: 's1' }, 'session-threads')
    expect(again.response.status).toBe(200)
  })

  test('must-refetch reaches waiting clients of that shape only', async () => {
    const { mock } = openMock({ tables: withThread })
    const sessions = ask(await liveQuery('sessions'))
    const threadQuery = await liveQuery('session-threads', { sessionId: 's1' })
    const threads = ask(threadQuery, 'session-threads')
    mock.next.mustRefetch('session-threads')
    expect((await threads).response.status).toBe(409)
    mock.insert('sessions')
    expect((await sessions).response.status).toBe(200)
    const { response } = await ask(threadQuery, 'session-threads')
    expect(response.headers.get('electric-handle')).not.toBe(threadQuery.handle)
  })
})

describe('reset', () => {
  test('restores the initial rows', async () => {
    const { mock, open } = openMock({ tables: withThread })
    const first = JSON.stringify(mock.rows('chatMessages').map(({ id, content }) => [id, content]))
    mock.delete('sessions', 's1')
    mock.delay(60_000)
    mock.next.unauthorized()
    mock.reset()
    const db = open()
    await db.sessions.preload()
    expect(db.sessions.size).toBe(1)
    const rows = mock.rows('chatMessages').map(({ id, content }) => [id, content])
    expect(JSON.stringify(rows)).toBe(first)
  })

  test('forgets applied batches', async () => {
    const { mock } = openMock()
    const write = createMemoryWriteAdapter(mock, { principal: ann })
    const batch = {
      id: 'b1',
      mutations: [{ collection: 'sessions', type: 'insert', value: session }] as const,
    }
    const send = () => write({ ...batch, mutations: [...batch.mutations] })
    expect(await send()).toEqual(await send())
    mock.reset()
    expect(mock.rows('sessions')).toEqual([])
    await send()
    expect(mock.rows('sessions')).toHaveLength(1)
  })

  test('ends the streams that a test left open, without affecting new ones', async () => {
    const { mock, open } = openMock({ tables: withThread })
    const left = open()
    await left.sessions.preload()
    const waiting = await liveQuery('sessions')
    const poll = ask(waiting)
    mock.reset()
    expect((await poll).response.status).toBe(410)
    expect((await ask(waiting)).response.status).toBe(410)
    await eventually(() => expect(left.status(left.sessions).get().lastError).not.toBeNull())
    expect(left.status(left.sessions).get().lastError?.message).toMatch(/410/)
    const next = open()
    await next.sessions.preload()
    mock.update('sessions', 's1', { title: 'New' })
    await eventually(() => expect(next.sessions.get('s1')?.title).toBe('New'))
    expect(left.sessions.get('s1')?.title).toBe('Fix the login')
  })

  test('never reuses a handle, even with a fake clock', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const handles = new Set<string | null>()
      const { mock } = openMock()
      for (let count = 0; count < 3; count += 1) {
        const { response } = await ask({ offset: '-1' })
        handles.add(response.headers.get('electric-handle'))
        mock.reset()
      }
      expect(handles.size).toBe(3)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('time', () => {
  test('can be faked: changes still arrive, and a poll ends when its time has passed', async () => {
    vi.useFakeTimers()
    try {
      const { mock, open } = openMock({ tables: withThread, longPollMs: 20_000 })
      const db = open()
      await db.sessions.preload()
      mock.update('sessions', 's1', { title: 'News' })
      await db.actions.updateSession('s1', { visibility: 'tenant' }).committed
      expect(db.sessions.get('s1')).toMatchObject({ title: 'News', visibility: 'tenant' })

      const poll = ask(await liveQuery('session-threads', { sessionId: 's1' }), 'session-threads')
      let isAnswered = false
      void poll.then(() => {
        isAnswered = true
      })
      while (!isAnswered) await vi.advanceTimersByTimeAsync(5_000)
      const { messages } = await poll
      expect(messages.map(({ headers }) => headers.control)).toEqual(['up-to-date'])
      await db.cleanup()
    } finally {
      vi.useRealTimers()
    }
  })

  test('leaves no timer after reset', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const cleared = vi.spyOn(globalThis, 'clearTimeout')
    onTestFinished(() => void vi.restoreAllMocks())
    const { mock } = openMock({ longPollMs: 50_000 })
    const poll = ask(await liveQuery('sessions'))
    mock.delay(60_000)
    const slow = ask({ offset: '-1' })
    const timersOf = (ms: number) =>
      set.mock.results.filter((_, index) => set.mock.calls[index]?.[1] === ms)
    await eventually(() => expect([timersOf(50_000), timersOf(60_000)].flat()).toHaveLength(2))

    mock.reset()
    const answers = await Promise.all([poll, slow])
    expect(answers.map(({ response }) => response.status)).toEqual([410, 410])
    await eventually(() => {
      for (const { value } of [timersOf(50_000), timersOf(60_000)].flat()) {
        expect(cleared).toHaveBeenCalledWith(value)
      }
    })
    expect(timersOf(60_000)).toHaveLength(1)
  })

  test('an aborted poll leaves no listener and does not keep the process alive', async () => {
    const { mock } = openMock()
    const query = await liveQuery('sessions')
    const aborter = new AbortController()
    const poll = ask(query, 'sessions', { signal: aborter.signal })
    aborter.abort()
    await expect(poll).rejects.toThrow()
    mock.insert('sessions')
    expect((await ask(query)).messages).toHaveLength(2)

    const program = runProgram(join(import.meta.dirname, 'support/waiting-poll-program.ts'), [])
    // Its poll and its answer take longer than this test may: it ends without them.
    expect(await program.firstLine).toBe('waiting')
    expect(await program.ended).toMatchObject({ code: 0 })
  })

  test("ends after the collections were cleaned up, without Electric's timer of a minute", async () => {
    const start = performance.now()
    const program = runProgram(join(import.meta.dirname, 'support/cleaned-up-program.ts'), [])
    expect(await program.firstLine).toBe('cleaned up')
    expect(await program.ended).toMatchObject({ code: 0 })
    expect(performance.now() - start).toBeLessThan(50_000)
  })

  test('refuses a name that no shape has, in types and at run time', () => {
    const mock = createShapeMock({ electricUrl })
    // @ts-expect-error a typing error
    expect(() => mock.next.unauthorized('sesions')).toThrow(/no shape 'sesions'.*has sessions, /)
    // @ts-expect-error a typing error
    expect(() => mock.next.unavailable({ shape: 'sesions' })).toThrow(/no shape 'sesions'/)
  })
})
