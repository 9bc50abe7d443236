import 'fake-indexeddb/auto'
import { createLiveQueryCollection } from '@tanstack/db'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createOutbox, createSessionCollections } from '../../../src/collections/index.ts'
import type { Session } from '../../../src/schema/index.ts'
import { eventually } from '../../support/eventually.ts'
import { change } from './support/hand-driven-shapes.ts'
import { open } from './support/open.ts'
import { ann, message, session } from './support/rows.ts'

afterEach(() => vi.useRealTimers())

const sessionRows = (...rows: Session[]) => ({ shape: 'sessions', params: {}, rows })

test('a collection starts with the rows of the server, and the stream replaces them at one time', async () => {
  const rows = [session('s1', { title: 'Old' }), session('s2')]
  const { db, shapes } = open({ initialRows: [sessionRows(...rows)] })
  shapes.seed('sessions', [session('s1', { title: 'New' }), session('s3')])
  const query = createLiveQueryCollection((q) => q.from({ session: db.sessions }))
  const shown: string[] = []
  query.subscribeChanges(() => {
    shown.push(
      query.toArray
        .map(({ id }) => id)
        .sort()
        .join(),
    )
  })
  const loading = query.preload()
  expect(db.sessions.toArray.map(({ title }) => title)).toContain('Old')
  expect(db.sessions.status).toBe('ready')
  expect(db.status(db.sessions).get().isUpToDate).toBe(false)
  await loading
  await eventually(() => expect(db.sessions.get('s1')?.title).toBe('New'))
  await eventually(() => expect(db.status(db.sessions).get().isUpToDate).toBe(true))
  expect(db.sessions.toArray.map(({ id }) => id).sort()).toEqual(['s1', 's3'])
  // Never an empty list in between.
  expect(shown).not.toContain('')
  shapes.push('sessions', [change('sessions', 'delete', session('s3'))])
  await eventually(() => expect(db.sessions.size).toBe(1))
  await query.cleanup()
})

test('rows that are gone leave a collection that has none now', async () => {
  const { db, shapes } = open({ initialRows: [sessionRows(session('s1'))] })
  shapes.seed('sessions', [])
  await db.sessions.preload()
  await eventually(() => expect(db.sessions.size).toBe(0))
})

test('other parameters are other rows', async () => {
  const rows = [message('m1')]
  const initialRows = [{ shape: 'session-messages', params: { sessionId: 's1' }, rows }]
  const { db, shapes } = open({ initialRows })
  shapes.seed('session-messages/s1', rows)
  shapes.seed('session-messages/s2', [])
  await db.session('s2').messages.preload()
  expect(db.session('s2').messages.size).toBe(0)
  await db.session('s1').messages.preload()
  expect(db.session('s1').messages.size).toBe(1)
})

test('a write to a row of the server is shown and rolled back like any other', async () => {
  const { db, shapes, writes } = open({ initialRows: [sessionRows(session('s1'))] })
  shapes.seed('sessions', [session('s1')])
  await db.sessions.preload()
  const write = db.actions.updateSession('s1', { title: 'Mine' })
  expect(db.sessions.get('s1')?.title).toBe('Mine')
  await eventually(() => expect(db.status(db.sessions).get().isUpToDate).toBe(true))
  expect(db.sessions.get('s1')?.title).toBe('Mine')
  writes[0]?.answer({ error: { code: 'forbidden', message: 'no' } })
  await expect(write.committed).rejects.toMatchObject({ code: 'forbidden' })
  expect(db.sessions.get('s1')?.title).not.toBe('Mine')
})

test('a server shows the rows, starts no stream, and soon forgets them', async () => {
  vi.useFakeTimers()
  const fetchClient = vi.fn<typeof fetch>()
  const channels = vi.spyOn(globalThis, 'BroadcastChannel')
  onTestFinished(() => channels.mockRestore())
  const db = createSessionCollections({
    electricUrl: '/api/shapes',
    writeAdapter: async () => Promise.reject(new Error('no writes')),
    fetchClient,
    identity: ann,
    outbox: createOutbox({ identity: ann }),
    initialRows: [sessionRows(session('s1'))],
  })
  const render = () => {
    const query = createLiveQueryCollection({
      query: (q) => q.from({ session: db.sessions }),
      startSync: true,
      gcTime: 1,
    })
    return query.toArray.map(({ id }) => id)
  }
  expect(render()).toEqual(['s1'])
  db.session('s1').messages.startSyncImmediate()
  expect(db.session('s1').messages.status).toBe('ready')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(db.sessions.status).toBe('cleaned-up')
  expect(vi.getTimerCount()).toBe(0)
  expect(fetchClient).not.toHaveBeenCalled()
  expect(channels).not.toHaveBeenCalled()
  // A later part of the same page renders with them again.
  expect(render()).toEqual(['s1'])
})
