import { createLiveQueryCollection } from '@tanstack/db'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type {
  SessionCollections,
  SessionCollectionsOptions,
} from '../../../src/collections/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

// What an open client sees, through shared live polls, of rights and sign-ins that end.

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** Four live collections of one session, and the paths of their requests. */
async function openLive(
  user: string,
  sessionId: string,
  options: Partial<SessionCollectionsOptions> = {},
) {
  const asked: URL[] = []
  const db = openAs(app, user, {
    fetchClient: (input, init) => {
      asked.push(new URL(String(input)))
      return fetch(input, init)
    },
    ...options,
  })
  const { timeline, threads, messages } = db.session(sessionId)
  const collections = [db.sessions, timeline, threads, messages] as const
  await Promise.all(collections.map((each) => each.preload()))
  // Live, and by the batch endpoint alone: no poll of a shape goes by itself.
  await eventually(() => {
    expect(asked.some(({ pathname }) => pathname.endsWith('/_live'))).toBe(true)
    for (const each of collections) expect(db.status(each).get().connection).toBe('live')
  })
  expect(asked.filter(({ searchParams }) => searchParams.get('live') === 'true')).toEqual([])
  return { db, asked, collections, sizes: () => collections.map(({ size }) => size) }
}

/** A session that its tenant sees, with one row of everything. */
async function share() {
  const tenant = crypto.randomUUID()
  const ada = openAs(app, `${tenant}/ada`)
  const session = ada.actions.createSession({ title: 'Shared', visibility: 'tenant' })
  await session.committed
  const thread = ada.actions.createThread({ sessionId: session.id, mode: 'session', title: 'T' })
  await thread.committed
  await ada.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'First' }).committed
  return { tenant, ada, sessionId: session.id, threadId: thread.id }
}

describe('rows leave an open client immediately', () => {
  const ends: [
    string,
    (ada: SessionCollections, sessionId: string) => Promise<unknown>,
    keeps: string,
  ][] = [
    [
      'when a session becomes private',
      (ada, id) => ada.actions.updateSession(id, { visibility: 'private' }).committed,
      'owner',
    ],
    ['when it is deleted', (ada, id) => ada.actions.deleteSession(id).committed, 'nobody'],
  ]

  test.each(ends)('%s', async (_when, end, keeps) => {
    const { tenant, sessionId } = await share()
    const owner = await openLive(`${tenant}/ada`, sessionId)
    const viewer = await openLive(`${tenant}/bob`, sessionId)
    const query = createLiveQueryCollection((q) => q.from({ row: viewer.db.sessions }))
    await query.preload()
    onTestFinished(() => query.cleanup())
    expect([viewer.sizes(), query.size]).toEqual([[1, 0, 1, 1], 1])
    await end(owner.db, sessionId)
    await eventually(() => expect([viewer.sizes(), query.size]).toEqual([[0, 0, 0, 0], 0]))
    await eventually(() =>
      expect(owner.sizes()).toEqual(keeps === 'owner' ? [1, 0, 1, 1] : [0, 0, 0, 0]),
    )
    expect(viewer.db.status(viewer.db.sessions).get().connection).toBe('live')
  })

  test('when a private session gets another owner, who sees it immediately', async () => {
    const { tenant, ada, sessionId } = await share()
    const bob = await openLive(`${tenant}/bob`, sessionId)
    const owner = await openLive(`${tenant}/ada`, sessionId)
    await ada.actions.updateSession(sessionId, { visibility: 'private' }).committed
    await eventually(() => expect(bob.sizes()).toEqual([0, 0, 0, 0]))
    await app.sql(`UPDATE sessions SET owner_id = 'bob' WHERE id = $1`, [sessionId])
    await eventually(() =>
      expect([owner.sizes(), bob.sizes()]).toEqual([
        [0, 0, 0, 0],
        [1, 0, 1, 1],
      ]),
    )
  })

  test('when the user signs out, and no more requests are sent', async () => {
    const { tenant, ada, sessionId } = await share()
    const viewer = await openLive(`${tenant}/bob`, sessionId)
    await viewer.db.signOut()
    expect(viewer.sizes()).toEqual([0, 0, 0, 0])
    const before = viewer.asked.length
    await ada.actions.updateSession(sessionId, { title: 'Later' }).committed
    await expect(viewer.db.sessions.preload()).rejects.toThrow()
    expect([viewer.sizes(), viewer.asked.length]).toEqual([[0, 0, 0, 0], before])
  })
})

describe('a sign-in that expires', () => {
  /** A page with a refresh on its streams and one on its writes, as an app may well give both. */
  async function openExpiring(refresh: (tenant: string) => Promise<string>) {
    const { tenant, ada, sessionId, threadId } = await share()
    const signIn = `${tenant}/bob;1`
    let token = signIn
    const onUnauthenticated = vi.fn(async () => {
      token = await refresh(tenant)
      return { [USER_HEADER]: token }
    })
    const ofWrites = vi.fn(() => onUnauthenticated())
    const viewer = await openLive(`${tenant}/bob`, sessionId, {
      headers: { [USER_HEADER]: token },
      onUnauthenticated,
      writeAdapter: createHttpWriteAdapter({
        url: `${app.url}/api/write`,
        headers: { [USER_HEADER]: () => token },
        onUnauthenticated: ofWrites,
      }),
    })
    const say = (content: string, by = ada) =>
      by.actions.appendMessage({ threadId, role: 'user', content }).committed
    const texts = () => viewer.collections[3].toArray.map(({ content }) => content).sort()
    const rename = (title: string) => ada.actions.updateSession(sessionId, { title }).committed
    return { ...viewer, signIn, say, texts, rename, onUnauthenticated, ofWrites }
  }

  test('is refreshed exactly once for four streams and ten writes, and loses nothing', async () => {
    const page = await openExpiring(async (tenant) => `${tenant}/bob;2`)
    app.expire(page.signIn)
    const writes = Array.from({ length: 10 }, (_, index) => page.say(`write ${index}`, page.db))
    await Promise.all([...writes, page.say('news'), page.rename('Renamed')])
    await eventually(() =>
      expect(page.texts()).toEqual(
        ['First', 'news', ...Array.from({ length: 10 }, (_, index) => `write ${index}`)].sort(),
      ),
    )
    await eventually(() => expect(page.db.sessions.toArray[0]?.title).toBe('Renamed'))
    await page.say('after')
    await eventually(() => expect(page.texts()).toContain('after'))
    expect([page.onUnauthenticated.mock.calls.length, page.ofWrites.mock.calls.length]).toEqual([
      1, 0,
    ])
    // What was there is not asked for again: streams go on from where they were.
    const snapshots = page.asked.filter(({ searchParams }) => searchParams.get('offset') === '-1')
    // Sessions have two streams: those of the user and of the tenant.
    expect(snapshots).toHaveLength(5)
    await eventually(() => {
      for (const each of page.collections)
        expect(page.db.status(each).get()).toMatchObject({ connection: 'live', lastError: null })
    })
  })

  test('and cannot be refreshed stops visibly, keeps its rows, and resumes after restart()', async () => {
    const page = await openExpiring(() => Promise.reject(new Error('the refresh token is over')))
    app.expire(page.signIn)
    await page.say('news')
    await page.rename('Renamed')
    const messages = page.collections[3]
    const status = page.db.status(messages)
    await eventually(() => expect(status.get().connection).toBe('stopped'))
    expect(status.get().lastError?.code).toBe('unauthenticated')
    expect(page.texts()).toContain('First')
    expect(page.onUnauthenticated).toHaveBeenCalledOnce()
    await expect(page.say('refused', page.db)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(page.ofWrites).not.toHaveBeenCalled()
    await page.say('while stopped')
    app.renew(page.signIn)
    page.db.restart()
    await eventually(() => {
      expect(page.texts()).toEqual(['First', 'news', 'while stopped'])
      for (const each of page.collections)
        expect(page.db.status(each).get()).toMatchObject({ connection: 'live', lastError: null })
    })
  })
})
