import { createLiveQueryCollection } from '@tanstack/db'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { SessionCollections } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

// Sessions that are seen through several audiences, and move from one to another.

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** A private session of ada's with one message, in a tenant of its own unless one is given. */
async function createPrivate(tenant: string = crypto.randomUUID()) {
  const ada = openAs(app, `${tenant}/ada`)
  const { id: sessionId, committed } = ada.actions.createSession({ title: 'S' })
  await committed
  const thread = ada.actions.createThread({ sessionId, mode: 'session', title: 'T' })
  await thread.committed
  const message = { threadId: thread.id, role: 'user', content: 'First' } as const
  await ada.actions.appendMessage(message).committed
  const share = async (grantee: string) => {
    const grant = ada.actions.shareSession(sessionId, grantee, 'member')
    await grant.committed
    return grant.id
  }
  const unshare = (grantId: string) => ada.actions.unshareSession(grantId).committed
  const say = (content: string) =>
    ada.actions.appendMessage({ ...message, content }).committed.then(() => content)
  return { tenant, ada, sessionId, share, unshare, say }
}

/** Opens the sessions and one session's messages, and records every change that shows. */
async function watch(db: SessionCollections, sessionId: string) {
  const { messages } = db.session(sessionId)
  const shown: string[] = []
  for (const collection of [db.sessions, messages]) {
    const query = createLiveQueryCollection((q) => q.from({ row: collection }))
    await query.preload()
    query.subscribeChanges((changes) => shown.push(...changes.map(({ type }) => type)))
    onTestFinished(() => query.cleanup())
  }
  const contents = () => messages.toArray.map(({ content }) => content).sort()
  return { messages, shown, contents }
}

/** Audiences of the requests for a shape, in the order in which they were first used. */
function audiencesOf(asked: readonly URL[], shape: string): (string | null)[] {
  const of = asked.filter(({ pathname }) => pathname.endsWith(`/${shape}`))
  return [...new Set(of.map(({ searchParams }) => searchParams.get('audience')))]
}

function openRecording(user: string, groups: readonly string[] = []) {
  app.setGroups(user, groups)
  const asked: URL[] = []
  const answers: { readonly url: URL; readonly body: unknown }[] = []
  const db = openAs(app, user, {
    shareLiveConnections: false,
    headers: { [USER_HEADER]: user },
    async fetchClient(input, init) {
      const url = new URL(String(input))
      asked.push(url)
      const response = await fetch(input, init)
      const read = response.clone().json()
      read.then(
        (body) => answers.push({ url, body }),
        () => {},
      )
      return response
    },
  })
  return { db, asked, answers }
}

test('a session moves between private, team and tenant without flickering, and its messages follow', async () => {
  const { tenant, sessionId, share, unshare, say } = await createPrivate()
  const team = await share('team:a')
  const { db, asked } = openRecording(`${tenant}/bob`, ['team:a'])
  const { shown, contents } = await watch(db, sessionId)
  await eventually(() => expect(contents()).toEqual(['First']))
  expect(audiencesOf(asked, 'session-messages')).toEqual(['team:a'])

  const everyone = await share('tenant')
  await unshare(team)
  await say('Second')
  await eventually(() => expect(contents()).toEqual(['First', 'Second']))
  await eventually(() => expect(audiencesOf(asked, 'session-messages')).toContain('tenant'))
  await share('team:a')
  await unshare(everyone)
  await say('Third')
  await eventually(() => expect(contents()).toEqual(['First', 'Second', 'Third']))
  expect(db.sessions.get(sessionId)?.visibility).toBe('private')
  expect(shown).not.toContain('delete')
})

test('shows a session of two audiences once, and keeps it until both are revoked', async () => {
  const { tenant, sessionId, share, unshare, say } = await createPrivate()
  const grants = [await share('team:a'), await share('team:b')] as const
  const { db, asked } = openRecording(`${tenant}/bob`, ['team:a', 'team:b'])
  const { shown, contents } = await watch(db, sessionId)
  await eventually(() => expect([db.sessions.size, contents()]).toEqual([1, ['First']]))
  await unshare(grants[0])
  await say('Second')
  await eventually(() => expect(contents()).toEqual(['First', 'Second']))
  expect(audiencesOf(asked, 'session-messages')).toEqual(['team:a', 'team:b'])
  expect(shown).not.toContain('delete')
  await unshare(grants[1])
  await eventually(() => expect([db.sessions.size, contents()]).toEqual([0, []]))
})

test('follows groups that change', async () => {
  const { tenant, sessionId, share } = await createPrivate()
  await share('team:a')
  const { db } = openRecording(`${tenant}/bob`)
  const { contents } = await watch(db, sessionId)
  expect([db.sessions.size, contents()]).toEqual([0, []])
  app.setGroups(`${tenant}/bob`, ['team:a'])
  db.restart()
  await eventually(() => expect(db.sessions.size).toBe(1))
  app.setGroups(`${tenant}/bob`, [])
  db.restart()
  await eventually(() => expect(db.sessions.size).toBe(0))
  expect(db.status(db.sessions).get().connection).not.toBe('stopped')
})

test('an audience is served only to its principals, and is not synced', async () => {
  const { tenant, sessionId, share } = await createPrivate()
  await share('team:a')
  const ask = (user: string, audience: string) =>
    fetch(`${app.url}/api/shapes/sessions?audience=${audience}&offset=-1`, {
      headers: { [USER_HEADER]: `${tenant}/${user}` },
    })
  app.setGroups(`${tenant}/bob`, ['team:a'])
  for (const audience of ['team:a', 'user:ada', 'tenant', 'team:b']) {
    const response = await ask('bob', audience)
    expect(response.status).toBe(['team:a', 'tenant'].includes(audience) ? 200 : 403)
    const body = await response.text()
    expect(body.includes(sessionId)).toBe(audience === 'team:a')
    expect(body).not.toContain('user:ada')
  }
  const listed = await fetch(`${app.url}/api/shapes/_audiences`, {
    headers: { [USER_HEADER]: `${tenant}/bob` },
  })
  expect(await listed.json()).toEqual({ audiences: ['tenant', 'team:a', 'user:bob'] })
})

test('150 principals who look at one session use one shape per collection', async () => {
  const { tenant, sessionId, share } = await createPrivate()
  await share('tenant')
  const users = Array.from({ length: 150 }, (_, index) => `${tenant}/user-${index}`)
  const shapes = ['sessions', 'session-timeline', 'session-threads', 'session-messages']
  const handles = new Map(shapes.map((shape) => [shape, new Set<string | null>()]))
  await Promise.all(
    users.flatMap((user) =>
      shapes.map(async (shape) => {
        const session = shape === 'sessions' ? '' : `&sessionId=${sessionId}`
        const url = `${app.url}/api/shapes/${shape}?audience=tenant${session}&offset=-1`
        const { headers, body } = await fetch(url, { headers: { [USER_HEADER]: user } })
        await body?.cancel()
        handles.get(shape)?.add(headers.get('electric-handle'))
      }),
    ),
  )
  expect([...handles.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1])
})

test('a change of one session answers no live request of another', async () => {
  const { tenant, sessionId, share, say } = await createPrivate()
  await share('tenant')
  const other = await createPrivate(tenant)
  const { db, asked, answers } = openRecording(`${tenant}/bob`)
  const { contents } = await watch(db, sessionId)
  const isPoll = ({ pathname, searchParams }: URL) =>
    pathname.endsWith('/session-messages') && searchParams.get('live') === 'true'
  // The answer to a poll that has waited long enough is up to date, and nothing else.
  const isNews = (body: unknown) =>
    (body as readonly { headers: { control?: string } }[]).some(
      ({ headers }) => headers.control !== 'up-to-date',
    )
  const news = () => answers.filter(({ url, body }) => isPoll(url) && isNews(body))
  await eventually(() => expect(asked.some(isPoll)).toBe(true))
  const grant = await other.share('tenant')
  await other.say('Elsewhere')
  await other.unshare(grant)
  await say('Second')
  await eventually(() => expect(contents()).toEqual(['First', 'Second']))
  // The log is in the order of commits: had the other session answered a request, another one would have followed.
  await eventually(() => expect(news()).toHaveLength(1))
})

test('a principal with 50 groups is live over at most two connections', async () => {
  const { tenant, sessionId, share } = await createPrivate()
  const groups = Array.from({ length: 50 }, (_, index) => `team:${index}`)
  await share('team:7')
  app.setGroups(`${tenant}/bob`, groups)
  let requests = 0
  const live = new Set<AbortSignal>()
  let most = 0
  const db = openAs(app, `${tenant}/bob`, {
    headers: { [USER_HEADER]: `${tenant}/bob` },
    async fetchClient(input, init) {
      requests += 1
      if (!String(input).endsWith('/_live') || !init?.signal) return fetch(input, init)
      const { signal } = init
      const end = () => void live.delete(signal)
      live.add(signal)
      signal.addEventListener('abort', end)
      most = Math.max(most, live.size)
      const response = await fetch(input, init)
      return new Response(response.body?.pipeThrough(new TransformStream({ flush: end })), response)
    },
  })
  const started = performance.now()
  await db.sessions.preload()
  const ms = Math.round(performance.now() - started)
  await share('team:8')
  await eventually(() => expect(db.sessions.has(sessionId)).toBe(true))
  await eventually(() => expect(live.size).toBeGreaterThan(0))
  console.info(`52 audiences: ${requests} requests, ready after ${ms} ms`)
  expect(most).toBeLessThanOrEqual(2)
})
