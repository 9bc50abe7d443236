import { describe, expect, test, vi } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { change } from './support/hand-driven-shapes.ts'
import { open } from './support/open.ts'
import { session } from './support/rows.ts'

describe('status', () => {
  test('follows a collection from idle to ready and up to date', async () => {
    const { db, shapes } = open()
    const status = db.status(db.sessions)
    const seen: string[] = []
    const stop = status.subscribe(() => seen.push(status.get().status))
    expect(status.get()).toEqual({
      status: 'idle',
      connection: 'idle',
      lastError: null,
      lastSyncedAt: null,
      isUpToDate: false,
      handle: null,
      offset: null,
    })
    await db.sessions.preload()
    expect(status.get()).toMatchObject({ status: 'ready', isUpToDate: true })
    expect(status.get().handle).toMatch(/^sessions-/)
    expect(status.get().lastSyncedAt).toBeInstanceOf(Date)
    shapes.push('sessions', [change('sessions', 'insert', session('s1'), { txids: [1] })])
    await eventually(() => expect(status.get().offset).toBe('1_0'))
    expect(status.get()).toBe(status.get())
    stop()
    await db.cleanup()
    expect([...new Set(seen)]).toEqual(['loading', 'ready'])
    expect(status.get()).toMatchObject({ status: 'cleaned-up', isUpToDate: false })
  })

  test.each([
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [400, 'invalid'],
  ])('a shape refused with %i is visible and not asked for again', async (status, code) => {
    const onError = vi.fn()
    const { db, shapes } = open({ onError })
    shapes.refuse('sessions', status, { error: { code, message: 'no' } })
    await expect(db.sessions.preload()).rejects.toThrow()
    await eventually(() => expect(onError).toHaveBeenCalledOnce())
    const { lastError, ...rest } = db.status(db.sessions).get()
    expect(rest).toMatchObject({ status: 'error', isUpToDate: false })
    expect(lastError).toMatchObject({ code, details: { shape: 'sessions', status } })
    expect(onError).toHaveBeenCalledWith(lastError)
    expect(shapes.requests).toHaveLength(1)
  })

  test('keeps the rows and shows the error when a ready collection is refused', async () => {
    const { db, shapes } = open()
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    shapes.refuse('sessions', 401, 'no')
    shapes.push('sessions', [])
    const { get } = db.status(db.sessions)
    await eventually(() => expect(get().lastError?.code).toBe('unauthenticated'))
    expect(get()).toMatchObject({ status: 'ready', isUpToDate: false })
    expect(db.sessions.size).toBe(1)
  })

  test('retries a failing server and shows that it does', async () => {
    let broken = true
    const { db, shapes } = open({
      fetchClient: async (...args) => {
        if (broken) return new Response('', { status: 503 })
        return await shapes.fetch(...args)
      },
    })
    const { get } = db.status(db.sessions)
    const ready = db.sessions.preload()
    await eventually(() => expect(get().lastError?.code).toBe('unavailable'))
    broken = false
    await ready
    expect(get()).toMatchObject({ status: 'ready', isUpToDate: true, lastError: null })
  })

  test('rejects a relative URL outside a page with what to do', async () => {
    const db = createSessionCollections({
      electricUrl: '/api/shapes',
      ssr: false,
      writeAdapter: () => Promise.reject(new Error('not used')),
    })
    await expect(db.sessions.preload()).rejects.toThrow(/Use an absolute URL/)
    expect(db.status(db.sessions).get()).toMatchObject({
      status: 'error',
      lastError: { code: 'invalid' },
    })
  })

  test('throws for a collection that was not created here', () => {
    const { db } = open()
    expect(() => db.status({ id: 'other' })).toThrow(/no sync of its own/)
  })
})
