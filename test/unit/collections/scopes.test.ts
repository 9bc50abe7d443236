import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { createScopeRegistry } from '../../../src/collections/scope-registry.ts'
import { eventually } from '../../support/eventually.ts'
import { accepted, open } from './support/open.ts'
import { message, thread } from './support/rows.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

describe('scopes', () => {
  test('are one object per id, and fetch nothing until used', () => {
    const { db, shapes } = open()
    expect(db.session('s1')).toBe(db.session('s1'))
    expect(db.session('s1').threads).toBe(db.session('s1').threads)
    expect(db.thread({ id: 'th1', sessionId: 's1' })).toBe(
      db.thread({ id: 'th1', sessionId: 's1' }),
    )
    expect(db.session('s1')).not.toBe(db.session('s2'))
    expect(shapes.requests).toEqual([])
  })

  test('request their named shape with their parameters only', async () => {
    const { db, shapes } = open({ headers: { authorization: async () => 'Bearer t' } })
    const { timeline, threads, messages } = db.session('s 1/?')
    const all = [
      db.sessions,
      timeline,
      threads,
      messages,
      db.thread({ id: 'th1', sessionId: 's1' }).messages,
    ]
    await Promise.all(all.map((collection) => collection.preload()))
    const asked = shapes.requests
      .filter((url) => url.searchParams.get('offset') === '-1')
      .map(({ pathname, searchParams }) => [pathname, [...searchParams].sort().join(' ')])
    expect(asked).toEqual([
      ['/api/shapes/sessions', 'log,full offset,-1'],
      ['/api/shapes/session-timeline', 'log,full offset,-1 sessionId,s 1/?'],
      ['/api/shapes/session-threads', 'log,full offset,-1 sessionId,s 1/?'],
      ['/api/shapes/session-messages', 'log,full offset,-1 sessionId,s 1/?'],
      ['/api/shapes/thread-messages', 'log,full offset,-1 sessionId,s1 threadId,th1'],
    ])
  })

  test('hold rows in camelCase, with dates, numbers and JSON', async () => {
    const { db, shapes } = open()
    const row = message('m1', {
      position: 7,
      parts: [{ type: 'text', text: 'Hi' }],
      createdAt: new Date('2024-05-01T10:00:00.123Z'),
    })
    shapes.seed('thread-messages/th1', [row])
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await messages.preload()
    expect(messages.get('m1')).toMatchObject(row)
  })

  test('stop without subscribers and start again when used again', async () => {
    const { db, shapes, writes } = open({ gcTime: 1 })
    shapes.seed('session-threads/s1', [thread('th1')])
    const { threads } = db.session('s1')
    await threads.preload()
    await eventually(() => expect(threads.status).toBe('cleaned-up'))
    expect(threads.size).toBe(0)

    const again = db.session('s1')
    expect(again.threads).toBe(threads)
    const subscription = again.threads.subscribeChanges(() => {}, { includeInitialState: true })
    await eventually(() => expect(threads.size).toBe(1))
    const write = db.actions.renameThread('th1', 'Renamed')
    expect(threads.get('th1')?.title).toBe('Renamed')
    writes[0]?.answer(accepted(writes[0].batch, null))
    await write.committed
    subscription.unsubscribe()
  })

  test('cleanup stops every stream', async () => {
    const { db } = open()
    const collections = [
      db.sessions,
      db.session('s1').threads,
      db.thread({ id: 'th1', sessionId: 's1' }).messages,
    ]
    await Promise.all(collections.map((collection) => collection.preload()))
    await db.cleanup()
    expect(collections.map(({ status }) => status)).toEqual(Array(3).fill('cleaned-up'))
  })

  test('thousands of ids leave nothing in memory', async () => {
    const { db } = open({ gcTime: 1 })
    const seen: WeakRef<object>[] = []
    for (let index = 0; index < 3_000; index++) seen.push(new WeakRef(db.session(`s${index}`)))
    const started = Array.from(
      { length: 20 },
      (_, index) => db.thread({ id: `th${index}`, sessionId: 's1' }).messages,
    )
    await Promise.all(started.map((messages) => messages.preload()))
    await eventually(() =>
      expect(started.every(({ status }) => status === 'cleaned-up')).toBe(true),
    )
    seen.push(...started.splice(0).map((messages) => new WeakRef(messages)))
    await eventually(() => {
      collectGarbage()
      const left = seen.filter((ref) => ref.deref() !== undefined).length
      expect(left).toBeLessThan(5)
    })
  })
})

describe('scope registry', () => {
  test('keeps a scope while one of its collections syncs, held or not', async () => {
    let made = 0
    let live: (live: boolean) => void = () => {}
    const registry = createScopeRegistry((_, onLiveChange) => {
      live = onLiveChange
      made += 1
      return { number: made }
    })
    registry.get('a')
    live(true)
    live(true)
    live(false)
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    expect(registry.get('a').number).toBe(1)
    expect(registry.live('a')[0]?.number).toBe(1)
    live(false)
    expect(registry.live('a')).toEqual([])
    expect(registry.live()).toEqual([])
  })
})
