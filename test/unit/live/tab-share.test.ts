import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import type { Follower } from './follow.ts'
import { type LogServer, startLogServer } from './log-server.ts'
import { openTab, type Tab } from './tabs.ts'

async function start(): Promise<LogServer> {
  const server = await startLogServer()
  onTestFinished(() => server.close())
  return server
}

async function openTabs(server: LogServer, count: number, user?: Parameters<typeof openTab>[1]) {
  const tabs: Tab[] = []
  for (let index = 0; index < count; index++) tabs.push(await openTab(server, user))
  onTestFinished(() => {
    for (const tab of tabs) tab.close()
  })
  return tabs
}

const shapes = ['sessions', 'timeline', 'threads', 'messages']

async function allSee(followers: readonly Follower[], lines: readonly string[]): Promise<void> {
  await eventually(() => {
    for (const follower of followers) expect(follower.lines).toEqual(lines)
  })
}

function leaderOf(tabs: readonly Tab[]): Tab {
  const leader = tabs.find((tab) => tab.batches() > 0)
  if (leader === undefined) throw new Error('no tab polls')
  return leader
}

test('polls for twelve tabs with four live shapes from one tab, over at most two connections', async () => {
  const server = await start()
  const tabs = await openTabs(server, 12)
  const followers = tabs.flatMap((tab) => shapes.map((shape) => tab.follow(shape)))
  for (const line of ['a', 'b', 'c']) {
    for (const shape of shapes) server.append(shape, line)
    await eventually(() => {
      for (const { lines } of followers) expect(lines.at(-1)).toBe(line)
    })
  }
  await allSee(followers, ['a', 'b', 'c'])
  expect(server.live.most).toBeLessThanOrEqual(2)
  expect(tabs.filter((tab) => tab.batches() > 0)).toHaveLength(1)
})

test('hands over without losing a line when the leader closes', async () => {
  const server = await start()
  let tabs = await openTabs(server, 4)
  let followers = tabs.map((tab) => ({ tab, follower: tab.follow('messages') }))
  const lines: string[] = []
  for (let round = 0; round < 3; round++) {
    server.append('messages', `before ${round}`)
    lines.push(`before ${round}`)
    await allSee(
      followers.map(({ follower }) => follower),
      lines,
    )
    const leader = leaderOf(tabs)
    leader.close()
    tabs = tabs.filter((tab) => tab !== leader)
    followers = followers.filter(({ tab }) => tab !== leader)
    // Written while there may be no leader.
    server.append('messages', `between ${round}`)
    lines.push(`between ${round}`)
  }
  await allSee(
    followers.map(({ follower }) => follower),
    lines,
  )
  expect(server.live.most).toBeLessThanOrEqual(2)
})

test('releases the lock when the leader leaves', async () => {
  const server = await start()
  const [tab] = await openTabs(server, 1)
  const follower = tab?.follow('messages')
  server.append('messages', 'a')
  await allSee([follower as Follower], ['a'])
  const held = async () => {
    const { held: locks = [] } = await navigator.locks.query()
    return locks.filter(({ name }) => name?.includes(server.shapes)).length
  }
  expect(await held()).toBe(1)
  tab?.close()
  await eventually(async () => expect(await held()).toBe(0))
})

test('replaces a leader that hangs, and deposes it when it wakes', async () => {
  const server = await start()
  const tabs = await openTabs(server, 3)
  const followers = tabs.map((tab) => tab.follow('messages'))
  server.append('messages', 'a')
  await allSee(followers, ['a'])
  const leader = leaderOf(tabs)
  const rest = followers.filter((_, index) => tabs[index] !== leader)
  leader.freeze()
  server.append('messages', 'b')
  await allSee(rest, ['a', 'b'])
  leader.thaw()
  server.append('messages', 'c')
  await allSee(followers, ['a', 'b', 'c'])
  await eventually(() => expect(server.live.open).toBe(1))
})

test('hands over when the leader’s sign-in has expired, without passing on its 401', async () => {
  const server = await start()
  let token = 'user1'
  const [leader, ...rest] = await openTabs(server, 1, () => token)
  const own = leader?.follow('messages')
  server.append('messages', 'a')
  await allSee([own as Follower], ['a'])
  rest.push(...(await openTabs(server, 2)))
  const others = rest.map((tab) => tab.follow('messages'))
  await allSee(others, ['a'])
  token = 'expired'
  server.breakConnections()
  await eventually(() => expect(own?.statuses).toContain(401))
  server.append('messages', 'b')
  await allSee(others, ['a', 'b'])
  for (const { statuses } of others) expect(statuses).not.toContain(401)
  // Its own streams are served by a tab that is still signed in.
  await allSee([own as Follower], ['a', 'b'])
})

/** Records the shapes in the batches of each sign-in. */
function watchBatches(server: LogServer): ReadonlyMap<string, Set<string>> {
  const seen = new Map<string, Set<string>>()
  server.onBatch = async (request) => {
    const user = request.headers.get('authorization') ?? ''
    const body = await request.clone().text()
    const shapes = seen.get(user) ?? new Set()
    seen.set(user, shapes)
    for (const [, shape = ''] of body.matchAll(/"shape":"([^"]+)"/g)) shapes.add(shape)
    return undefined
  }
  return seen
}

test.each([
  ['principals', 'user1', 'user2'],
  ['sessions of one user with other rights', 'user1;admin', 'user1;reader'],
])('two %s share nothing, and a page keeps its own', async (_what, first, second) => {
  const server = await start()
  const one = await openTabs(server, 2, first)
  const two = await openTabs(server, 2, second)
  const seen = watchBatches(server)
  const followers = [
    ...one.map((tab) => tab.follow('first-log')),
    ...two.map((tab) => tab.follow('second-log')),
  ]
  server.append('first-log', 'one')
  server.append('second-log', 'two')
  await allSee(followers.slice(0, 2), ['one'])
  await allSee(followers.slice(2), ['two'])
  expect([...(seen.get(first) ?? [])]).toEqual(['first-log'])
  expect([...(seen.get(second) ?? [])]).toEqual(['second-log'])
})

test('a user whose rights change continues, and shares only with tabs of the new rights', async () => {
  const server = await start()
  let roles = 'reader'
  const [changing] = await openTabs(server, 1, () => `user1;${roles}`)
  const own = changing?.follow('messages') as Follower
  server.append('messages', 'a')
  await allSee([own], ['a'])
  const [reader] = await openTabs(server, 1, 'user1;reader')
  const others = [reader?.follow('messages') as Follower]
  await allSee(others, ['a'])
  const seen = watchBatches(server)
  roles = 'admin'
  server.breakConnections()
  server.append('messages', 'b')
  await allSee([own, ...others], ['a', 'b'])
  // Responses for other rights aren't forwarded: the reader has polled itself.
  expect([...seen.keys()].sort()).toEqual(['user1;admin', 'user1;reader'])
  for (const { statuses } of [own, ...others]) expect(statuses.every((s) => s === 200)).toBe(true)
  changing?.live.signOut()
  await eventually(() => expect(reader?.signOuts()).toBe(1))
})

test('a tab whose cookie changed to another user gets 401, not that user’s rows', async () => {
  const server = await start()
  let cookie = 'user1'
  const [first, second] = await openTabs(server, 2, () => cookie)
  const followers = [first, second].map((tab) => tab?.follow('messages') as Follower)
  server.append('messages', 'a')
  await allSee(followers, ['a'])
  cookie = 'user2'
  server.breakConnections()
  server.append('messages', 'of user2')
  await eventually(() => {
    for (const { statuses } of followers) expect(statuses.at(-1)).toBe(401)
  })
  for (const { lines } of followers) expect(lines).toEqual(['a'])
})

test('posts a sign-out to the same user’s other tabs only', async () => {
  const server = await start()
  const [one, other] = await openTabs(server, 2, 'user1')
  const [stranger] = await openTabs(server, 1, 'user2')
  one?.live.signOut()
  await eventually(() => expect(other?.signOuts()).toBe(1))
  expect([one?.signOuts(), stranger?.signOuts()]).toEqual([0, 0])
})
