import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createPersistence,
  createSessionCollections,
  type PersistenceOptions,
  type SessionCollectionsOptions,
} from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { change, createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { ann, session } from './support/rows.ts'

/** A browser profile: its pages share the rows on the device and the server. */
function createProfile() {
  const name = randomUUID()
  const shapes = createHandDrivenShapes()
  let online = true
  let user: string | undefined

  const fetchClient: typeof fetch = async (input, init) => {
    if (!online) throw new TypeError('offline')
    const response = await shapes.fetch(input, init)
    if (user !== undefined) response.headers.set('session-db-principal', user)
    return response
  }

  return {
    shapes,
    setOnline: (value: boolean) => (online = value),
    setUser: (value: string) => (user = value),
    offsets: () => shapes.requests.map(({ searchParams }) => searchParams.get('offset')),
    openPage(
      persistenceOptions: Partial<PersistenceOptions> = {},
      options: Partial<SessionCollectionsOptions> = {},
    ) {
      const persistence = createPersistence({ identity: ann, name, ...persistenceOptions })
      const db = createSessionCollections({
        electricUrl: 'http://app.test/api/shapes',
        identity: persistenceOptions.identity ?? ann,
        fetchClient,
        shareLiveConnections: false,
        writeAdapter: async () => Promise.reject(new TypeError('offline')),
        onError: () => {},
        persistence,
        ...options,
      })
      onTestFinished(() => db.cleanup())
      return { db, persistence }
    },
    /** Returns the stored chunks, oldest first. */
    stored: () =>
      new Promise<{ shape: string; body: string; isUpToDate: boolean }[]>((resolve, reject) => {
        const opening = indexedDB.open(name)
        opening.onerror = () => reject(opening.error)
        opening.onsuccess = () => {
          const all = opening.result.transaction('chunks').objectStore('chunks').getAll()
          all.onsuccess = () => {
            opening.result.close()
            resolve(all.result)
          }
        }
      }),
  }
}

type Profile = ReturnType<typeof createProfile>

const titles = ({ db }: ReturnType<Profile['openPage']>) =>
  db.sessions.toArray.map(({ title }) => title).sort()

/** Opens a page, waits until its two sessions are on the device, and closes it. */
async function visit(profile: Profile): Promise<void> {
  profile.shapes.seed('sessions', [
    session('s1', { title: 'One' }),
    session('s2', { title: 'Two' }),
  ])
  const page = profile.openPage()
  await page.db.sessions.preload()
  await eventually(async () => expect(await profile.stored()).toMatchObject([{ isUpToDate: true }]))
  await page.db.cleanup()
}

describe('a reload', () => {
  test('shows the rows without a network, and receives only the changes later', async () => {
    const profile = createProfile()
    await visit(profile)
    profile.setOnline(false)
    const page = profile.openPage()
    await page.db.sessions.preload()
    expect(titles(page)).toEqual(['One', 'Two'])
    expect(page.db.sessions.get('s1')?.createdAt).toBeInstanceOf(Date)
    const status = page.db.status(page.db.sessions)
    expect(status.get()).toMatchObject({ isUpToDate: false, lastSyncedAt: expect.any(Date) })

    profile.shapes.push('sessions', [
      change('sessions', 'update', session('s1', { title: 'Renamed', version: 2 })),
      change('sessions', 'delete', session('s2')),
    ])
    const before = profile.offsets().length
    profile.setOnline(true)
    globalThis.dispatchEvent?.(new Event('online'))
    await eventually(() => expect(titles(page)).toEqual(['Renamed']))
    expect(status.get()).toMatchObject({ isUpToDate: true, connection: 'live' })
    expect(profile.offsets().slice(before)).not.toContain('-1')
  })

  test('shows changes that the page before received live', async () => {
    const profile = createProfile()
    await visit(profile)
    const page = profile.openPage()
    await page.db.sessions.preload()
    profile.shapes.push('sessions', [
      change('sessions', 'insert', session('s3', { title: 'Three' })),
    ])
    await eventually(async () => expect(await profile.stored()).toHaveLength(2))
    await page.db.cleanup()
    profile.setOnline(false)
    const next = profile.openPage()
    await next.db.sessions.preload()
    expect(titles(next)).toEqual(['One', 'Three', 'Two'])
  })

  test('keeps the log short, however many changes there are', async () => {
    const profile = createProfile()
    await visit(profile)
    const page = profile.openPage()
    await page.db.sessions.preload()
    for (let version = 2; version < 70; version += 1) {
      profile.shapes.push('sessions', [
        change('sessions', 'update', session('s1', { title: `Title ${version}`, version })),
      ])
    }
    await eventually(async () => expect(await profile.stored()).toHaveLength(69))
    await page.db.cleanup()
    const second = profile.openPage()
    await second.db.sessions.preload()
    await eventually(async () => expect(await profile.stored()).toHaveLength(1))
    await second.db.cleanup()
    profile.setOnline(false)
    const third = profile.openPage()
    await third.db.sessions.preload()
    expect(titles(third)).toEqual(['Title 69', 'Two'])
  })
})

describe('rows are thrown away', () => {
  test('when the shape has been replaced', async () => {
    const profile = createProfile()
    await visit(profile)
    profile.shapes.rotate('sessions', [session('s9', { title: 'Nine' })])
    const page = profile.openPage()
    await page.db.sessions.preload()
    await eventually(() => expect(titles(page)).toEqual(['Nine']))
    await eventually(async () => {
      const bodies = (await profile.stored()).map(({ body }) => body)
      expect(bodies.join()).toContain('Nine')
      expect(bodies.join()).not.toContain('One')
    })
  })

  test('on sign-out', async () => {
    const profile = createProfile()
    await visit(profile)
    const page = profile.openPage()
    await page.db.sessions.preload()
    await page.db.signOut()
    expect(await profile.stored()).toEqual([])
  })

  test('for another user, whose page does not show them', async () => {
    const profile = createProfile()
    await visit(profile)
    profile.setOnline(false)
    const { db } = profile.openPage({ identity: { tenantId: ann.tenantId, userId: 'ben' } })
    const stop = db.sessions.subscribeChanges(() => {})
    await eventually(async () => expect(await profile.stored()).toEqual([]))
    expect(db.sessions.size).toBe(0)
    stop.unsubscribe()
  })

  test('when the server answers another user than it did before', async () => {
    const profile = createProfile()
    profile.setUser('ann.1')
    await visit(profile)
    profile.setUser('ben.1')
    const { db } = profile.openPage()
    await db.sessions.preload()
    await eventually(() => expect(db.status(db.sessions).get().connection).toBe('stopped'))
    expect(db.status(db.sessions).get().lastError?.code).toBe('unauthenticated')
    await eventually(async () => expect(await profile.stored()).toEqual([]))
  })

  test('when the server refuses the shape', async () => {
    const profile = createProfile()
    await visit(profile)
    profile.shapes.refuse('sessions', 403)
    const { db } = profile.openPage()
    await db.sessions.preload()
    await eventually(async () => expect(await profile.stored()).toEqual([]))
  })

  test('when they are of another version', async () => {
    const profile = createProfile()
    await visit(profile)
    profile.setOnline(false)
    const { db } = profile.openPage({ version: 2 })
    const stop = db.sessions.subscribeChanges(() => {})
    await eventually(async () => expect(await profile.stored()).toEqual([]))
    expect(db.sessions.size).toBe(0)
    stop.unsubscribe()
  })
})

test('rows that the server has rendered are newer than those on the device', async () => {
  const profile = createProfile()
  await visit(profile)
  const rows = [session('s1', { title: 'Rendered' })]
  const page = profile.openPage({}, { initialRows: [{ shape: 'sessions', params: {}, rows }] })
  profile.shapes.seed('sessions', rows)
  const shown: string[][] = []
  const changes = page.db.sessions.subscribeChanges(() => shown.push(titles(page)), {
    includeInitialState: true,
  })
  await eventually(() => expect(page.db.status(page.db.sessions).get().isUpToDate).toBe(true))
  expect(shown.flat()).not.toContain('One')
  changes.unsubscribe()
})

test('an expired sign-in keeps the rows', async () => {
  const profile = createProfile()
  await visit(profile)
  profile.shapes.refuse('sessions', 401)
  const page = profile.openPage()
  await page.db.sessions.preload()
  await eventually(() => expect(page.db.status(page.db.sessions).get().connection).toBe('stopped'))
  expect(titles(page)).toEqual(['One', 'Two'])
  expect(await profile.stored()).toHaveLength(1)
})

test('a snapshot that was not read to its end is not shown', async () => {
  const profile = createProfile()
  await visit(profile)
  const { persistence, db } = profile.openPage()
  await db.cleanup()
  await persistence.clear()
  profile.setOnline(true)
  const half = profile.openPage(
    {},
    {
      fetchClient: async (input, init) =>
        new URL(String(input)).searchParams.get('offset') === '-1'
          ? profile.shapes.fetch(input, init)
          : Promise.reject(new TypeError('offline')),
    },
  )
  const stop = half.db.sessions.subscribeChanges(() => {})
  await eventually(async () => expect(await profile.stored()).toHaveLength(1))
  stop.unsubscribe()
  await half.db.cleanup()
  profile.setOnline(false)
  const { db: next } = profile.openPage()
  const stopNext = next.sessions.subscribeChanges(() => {})
  await eventually(async () => expect(await profile.stored()).toHaveLength(0))
  expect(next.sessions.status).toBe('loading')
  stopNext.unsubscribe()
})

test('only the collections that are named are kept', async () => {
  const profile = createProfile()
  profile.shapes.seed('sessions', [session('s1')])
  profile.shapes.seed('session-threads/s1', [])
  const { db } = profile.openPage({ collections: ['chatThreads'] })
  await Promise.all([db.sessions.preload(), db.session('s1').threads.preload()])
  await eventually(async () => expect(await profile.stored()).not.toEqual([]))
  const shapes = (await profile.stored()).map(({ shape }) => JSON.parse(shape)[0])
  expect(new Set(shapes)).toEqual(new Set(['session-threads']))
})

test('without IndexedDB, collections load from the server', async () => {
  const given = globalThis.indexedDB
  onTestFinished(() => {
    globalThis.indexedDB = given
  })
  Reflect.deleteProperty(globalThis, 'indexedDB')
  const profile = createProfile()
  profile.shapes.seed('sessions', [session('s1')])
  const { db } = profile.openPage()
  await db.sessions.preload()
  expect(db.sessions.size).toBe(1)
})

test('another object than a persistence is refused', () => {
  const profile = createProfile()
  expect(() => profile.openPage({}, { persistence: { clear: async () => {} } })).toThrow(
    'persistence was not created by createPersistence. Pass its result.',
  )
})
