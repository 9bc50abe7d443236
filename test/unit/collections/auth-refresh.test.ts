import { createLiveQueryCollection } from '@tanstack/db'
import { describe, expect, test, vi } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { createAuthRefresh } from '../../../src/collections/sync/auth-refresh.ts'
import { eventually } from '../../support/eventually.ts'
import { createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { accepted, open } from './support/open.ts'
import { session } from './support/rows.ts'

/** A server that accepts one token. */
function guarded(token: () => string, inner: typeof fetch): typeof fetch {
  return async (input, init) =>
    new Headers(init?.headers).get('authorization') === token()
      ? inner(input, init)
      : Response.json({ error: { code: 'unauthenticated', message: 'no' } }, { status: 401 })
}

describe('a 401', () => {
  test('of many requests causes one refresh, and each is repeated once', async () => {
    let valid = 'new'
    const onUnauthenticated = vi.fn(async () => ({ Authorization: 'new' }))
    const auth = createAuthRefresh({ headers: { authorization: 'old' }, onUnauthenticated })
    const send = auth.fetch(
      guarded(
        () => valid,
        async () => new Response('yes'),
      ),
    )
    const ask = () => send('http://app.test/x', { headers: { authorization: 'old' } })
    const answers = await Promise.all(Array.from({ length: 20 }, ask))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(onUnauthenticated).toHaveBeenCalledOnce()
    expect((await ask()).status).toBe(200)
    expect(onUnauthenticated).toHaveBeenCalledOnce()
    valid = 'newer'
    expect((await ask()).status).toBe(401)
    expect(onUnauthenticated).toHaveBeenCalledTimes(2)
  })

  test('causes one refresh also when that fails', async () => {
    const onUnauthenticated = vi.fn(() => Promise.reject(new Error('signed out')))
    const auth = createAuthRefresh({ onUnauthenticated })
    const send = auth.fetch(async () => new Response('', { status: 401 }))
    const statuses = []
    for (let n = 0; n < 5; n++) statuses.push((await send('http://app.test/x')).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401])
    expect(onUnauthenticated).toHaveBeenCalledOnce()
    auth.reset()
    await send('http://app.test/x')
    expect(onUnauthenticated).toHaveBeenCalledTimes(2)
  })

  test('in the middle of a stream loses no row and keeps the status', async () => {
    let valid = 'one'
    let token = 'one'
    const shapes = createHandDrivenShapes()
    shapes.seed('sessions', [session('s1')])
    const onError = vi.fn()
    const { db } = open({
      fetchClient: guarded(() => valid, shapes.fetch),
      headers: { authorization: () => token },
      onUnauthenticated: async () => {
        token = valid
      },
      onError,
    })
    await db.sessions.preload()
    valid = 'two'
    shapes.push('sessions', [
      { key: '"t"/"s2"', value: { id: 's2', tenant_id: 't1' }, headers: { operation: 'insert' } },
    ])
    await eventually(() => expect(db.sessions.size).toBe(2))
    shapes.push('sessions', [
      { key: '"t"/"s3"', value: { id: 's3', tenant_id: 't1' }, headers: { operation: 'insert' } },
    ])
    await eventually(() => expect(db.sessions.size).toBe(3))
    expect(onError).not.toHaveBeenCalled()
    expect(db.status(db.sessions).get()).toMatchObject({ connection: 'live', lastError: null })
  })

  test('of a write causes the same refresh, and the same batch is sent again', async () => {
    let valid = false
    const batches: string[] = []
    const onUnauthenticated = vi.fn(async () => {
      valid = true
    })
    const { db } = open({
      onUnauthenticated,
      writeAdapter: async (batch) => {
        batches.push(batch.id)
        if (valid) return accepted(batch, null)
        return { error: { code: 'unauthenticated', message: 'no' } }
      },
    })
    await db.actions.createSession({ title: 'S' }).committed
    expect(batches).toHaveLength(2)
    expect(new Set(batches).size).toBe(1)
    expect(onUnauthenticated).toHaveBeenCalledOnce()
  })
})

describe('a stream that stopped', () => {
  test('resumes from where it was after restart(), with its rows', async () => {
    let valid = true
    const shapes = createHandDrivenShapes()
    shapes.seed('sessions', [session('s1')])
    const { db } = open({
      fetchClient: async (input, init) =>
        valid ? shapes.fetch(input, init) : new Response('', { status: 401 }),
    })
    await db.sessions.preload()
    const status = db.status(db.sessions)
    valid = false
    shapes.push('sessions', [])
    await eventually(() => expect(status.get().connection).toBe('stopped'))
    expect(status.get().lastError?.code).toBe('unauthenticated')
    expect(db.sessions.size).toBe(1)
    valid = true
    const before = shapes.requests.length
    db.restart()
    await eventually(() => expect(status.get().connection).toBe('live'))
    expect(
      shapes.requests.slice(before).every((url) => url.searchParams.get('offset') !== '-1'),
    ).toBe(true)
  })

  test('before it was ready becomes ready after restart()', async () => {
    const shapes = createHandDrivenShapes()
    let valid = false
    const { db } = open({
      fetchClient: async (input, init) =>
        valid ? shapes.fetch(input, init) : new Response('', { status: 403 }),
    })
    await expect(db.sessions.preload()).rejects.toThrow()
    const status = db.status(db.sessions)
    await eventually(() => expect(status.get().connection).toBe('stopped'))
    valid = true
    db.restart()
    await eventually(() =>
      expect(status.get()).toMatchObject({ status: 'ready', connection: 'live' }),
    )
  })

  test('for a truncated answer retries by itself', async () => {
    const shapes = createHandDrivenShapes()
    shapes.seed('sessions', [session('s1')])
    let broken = true
    const { db } = open({
      fetchClient: async (input, init) => {
        const answer = await shapes.fetch(input, init)
        if (!broken) return answer
        broken = false
        const body = new ReadableStream({
          start: (controller) => controller.error(new TypeError('cut')),
        })
        return new Response(body, answer)
      },
    })
    db.sessions.startSyncImmediate()
    await eventually(() => expect(db.sessions.size).toBe(1))
    expect(db.status(db.sessions).get()).toMatchObject({ status: 'ready', connection: 'live' })
  })
})

describe('sign-out', () => {
  test('removes the rows immediately and sends no more requests', async () => {
    const onSignedOut = vi.fn()
    const { db, shapes } = open({ onSignedOut })
    shapes.seed('sessions', [session('s1'), session('s2')])
    await db.sessions.preload()
    const query = createLiveQueryCollection((q) => q.from({ row: db.sessions }))
    await query.preload()
    const shown = new Set<string>()
    const watching = db.sessions.subscribeChanges(
      (changes) => {
        for (const { type, key } of changes) {
          if (type === 'delete') shown.delete(String(key))
          else shown.add(String(key))
        }
      },
      { includeInitialState: true },
    )
    expect([shown.size, query.size]).toEqual([2, 2])
    const before = shapes.requests.length
    await db.signOut()
    expect([shown.size, query.size]).toEqual([0, 0])
    expect(onSignedOut).toHaveBeenCalledOnce()
    expect(db.status(db.sessions).get()).toMatchObject({ handle: null, isUpToDate: false })
    watching.unsubscribe()
    await query.cleanup()
    await db.sessions.cleanup()
    await expect(db.sessions.preload()).rejects.toThrow()
    expect(shapes.requests).toHaveLength(before)
  })
})

test('sharing can be turned off', async () => {
  const asked: string[] = []
  const shapes = createHandDrivenShapes()
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    shareLiveConnections: false,
    writeAdapter: () => Promise.reject(new Error('not used')),
    fetchClient: (input, init) => {
      asked.push(new URL(String(input)).pathname)
      return shapes.fetch(input, init)
    },
  })
  await db.sessions.preload()
  await eventually(() => expect(shapes.requests.at(-1)?.searchParams.get('live')).toBe('true'))
  expect(asked).not.toContain('/api/shapes/_live')
  await db.cleanup()
})
