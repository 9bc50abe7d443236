import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SessionDbError } from '../../../src/errors.ts'
import { createLegacyStores, type LegacyStoresOptions } from '../../../src/legacy/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { createSessionStore, runWrite, type SessionStore } from '../../../src/server/index.ts'
import { createAccess, where } from '../../../src/shapes/index.ts'
import {
  createMemorySessionStore,
  createShapeMock,
  type ShapeMock,
} from '../../../src/testing/index.ts'
import { type StoreFixture, startStore } from '../server/store-fixture.ts'

// The same server code over both stores: every answer and every error must be equal.

const ada: Principal = { tenantId: 'acme', userId: 'ada' }
const bob: Principal = { tenantId: 'acme', userId: 'bob' }
const carl: Principal = { tenantId: 'acme', userId: 'carl', groups: ['team:red'] }
const eve: Principal = { tenantId: 'other', userId: 'eve' }

/** An app's rule: managers see every session of the tenant, and no user deletes messages. */
const managers = createAccess({
  audiences: ({ userId, groups = [] }) => [
    ...(userId === 'bob' ? ['managers'] : []),
    ...['tenant', ...groups, `user:${userId}`],
  ],
  see: (_, audience) =>
    audience === 'managers' ? where.and() : where.contains('audiences', audience),
  writes: { chatMessages: { delete: () => where.or() } },
})

let fixture: StoreFixture
let directory: string
beforeAll(async () => {
  fixture = await startStore()
  directory = await mkdtemp(join(tmpdir(), 'session-db-parity-'))
})
afterAll(async () => {
  await fixture.close()
  await rm(directory, { recursive: true })
})

const open = (options: LegacyStoresOptions) => createLegacyStores(options)

/** One step of a scenario; `call` records what the app gets, and passes it on. */
interface World {
  readonly store: SessionStore
  as(principal: Principal, options?: Partial<LegacyStoresOptions>): ReturnType<typeof open>
  /** Reads the timeline and the derived columns of a session. */
  events(sessionId: string): Promise<unknown>
  call<Result>(name: string, work: () => Promise<Result>): Promise<Result>
}
type Scenario = (world: World) => Promise<void>

async function play(
  store: SessionStore,
  events: World['events'],
  scenario: Scenario,
): Promise<unknown[]> {
  const answers: unknown[] = []
  await scenario({
    ...{ store, events },
    as: (principal, options = {}) => open({ store, principal, ...options }),
    async call(name, work) {
      await nextMillisecond()
      try {
        const result = await work()
        answers.push([name, result])
        return result
      } catch (error) {
        if (!(error instanceof SessionDbError)) throw error
        answers.push([name, { code: error.code, message: error.message }])
        return undefined as never
      }
    },
  })
  return comparable(answers) as unknown[]
}

/** Lists are sorted by time, and times in memory have milliseconds. */
async function nextMillisecond(): Promise<void> {
  const start = Date.now()
  while (Date.now() === start) await setImmediate()
}

/** Names generated ids in the order they appear, and leaves out times. */
function comparable(answers: unknown): unknown {
  const ids = new Map<string, string>()
  const isTime = /(?:At|Iso|Ms)$/
  return JSON.parse(
    JSON.stringify(answers, (key, value) => {
      if (isTime.test(key) || key === 'txid' || key === 'version') return typeof value
      return value
    }).replaceAll(
      /(?:thread_|chat_|tool_|upload_)?[0-9a-f]{8}-[0-9a-f-]{27}|(?:thread_|upload_)[0-9a-f]{32}/g,
      (id) => {
        if (!ids.has(id)) ids.set(id, `id ${ids.size + 1}`)
        return ids.get(id) ?? id
      },
    ),
  )
}

const place = { sessionId: 'session-default', mode: 'session' } as const
const log = (text: string) =>
  [
    { type: 'session_meta', payload: { id: 'a', cwd: '/work/app', cli_version: '1.0.0' } },
    {
      type: 'response_item',
      payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
    },
  ]
    .map((line) => `${JSON.stringify({ timestamp: '2025-12-01T12:00:00.000Z', ...line })}\n`)
    .join('')

const scenarios: Record<string, Scenario> = {
  async 'threads of several users'({ as, call }) {
    for (const principal of [ada, bob, eve]) {
      const { startNewChatThread, getActiveChatThread, listChatThreads, ...stores } = as(principal)
      await call('active', () => getActiveChatThread('session-default', 'session'))
      await call('active again', () => getActiveChatThread('session-default', 'session'))
      const second = await call('new', () => startNewChatThread('session-default', 'session'))
      await call('list', () => listChatThreads('session-default', 'session'))
      const id = second?.id ?? 'none'
      await call('rename', () => stores.renameChatThread(id, ' Named '))
      await call('archive', () => stores.archiveChatThread(id))
      await call('touch', () => stores.touchChatThread(id))
      await call('activate', () => stores.activateChatThread('session-default', 'general', id))
      await call('remove', () => stores.removeChatThreadRecord(id))
      await call('unknown', () => stores.renameChatThread('unknown', 'x'))
      await call('clear', () => stores.clearThreadsForSession('session-default'))
      await call('list', () => listChatThreads('session-default'))
    }
  },
  async 'stores of a module, for the caller of each request'({ store, call }) {
    let caller: Principal | undefined = ada
    const stores = createLegacyStores({ store, principal: async () => caller })
    await call('ada', () => stores.appendChatMessage({ ...place, role: 'user', content: 'Hi' }))
    await call('ada', () => stores.listChatMessages(place.sessionId, 'session'))
    caller = bob
    await call('bob', async () => (await stores.getChatMessagesCollection()).toArray)
    caller = undefined
    await call('no one', () => stores.listChatThreads(place.sessionId))
  },
  async 'first use by concurrent requests'({ as, call }) {
    const found = await Promise.all(
      Array.from({ length: 6 }, () => as(ada).getActiveChatThread('s-race', 'session')),
    )
    await call('threads', async () => new Set(found.map(({ id }) => id)).size)
    const sent = await Promise.all(
      Array.from({ length: 6 }, () =>
        as(ada).appendChatMessage({ ...place, role: 'user', content: 'x', clientMessageId: 'c' }),
      ),
    )
    await call('messages', async () => new Set(sent.map(({ id }) => id)).size)
  },
  async 'messages and tool events'({ as, call }) {
    const stores = as(ada)
    const append = (content: string, more: object = {}) =>
      call('append', () =>
        stores.appendChatMessage({ ...place, role: 'user', content, ...more } as never),
      )
    const first = await append('one', { clientMessageId: 'c1', evidence: [{ path: 'a.ts' }] })
    await append('again', { clientMessageId: 'c1' })
    await append('bad', { threadId: 'unknown' })
    const call1 = { sessionId: place.sessionId, toolName: 'read', arguments: { path: 'a' } }
    const event = await call('tool', () => stores.appendChatToolEvent(call1))
    await call('threads', () => stores.listChatThreads(place.sessionId))
    await call('done', () =>
      stores.updateChatToolEventStatus(event.id, 'succeeded', { result: { ok: true } }),
    )
    await call('tool events', () => stores.listChatToolEvents(place.sessionId))
    await call('tool events', () => stores.listChatToolEventsByThread(first.threadId))
    await append('two', { misalignmentId: 'm', contextEvents: [{ eventIndex: 1 }] })
    await call('threads', () => stores.listChatThreads(place.sessionId))
    await call('update', () =>
      stores.updateChatMessage(first.id, (draft) => {
        draft.content = 'one, edited'
      }),
    )
    await call('list', () => stores.listChatMessages(place.sessionId, 'session'))
    await call('list', () => stores.listChatMessages(place.sessionId, 'general'))
    await call('by thread', () => stores.listChatMessagesByThread(first.threadId))
    await call('all', async () => (await stores.getChatMessagesCollection()).toArray)
    await call('foreign', () => as(bob).listChatMessagesByThread(first.threadId))
    await call('foreign', () => as(bob).updateChatMessage(first.id, () => {}))
    await call('foreign', () => as(eve).getActiveChatThread(place.sessionId, 'session'))
    await call('clear tools', () => stores.clearChatToolEvents(place.sessionId))
    await call('reset', () => stores.resetChatThreadMessages(first.threadId))
    await call('clear', () => stores.clearChatMessages())
    await call('all', async () => (await stores.getChatMessagesCollection()).toArray)
  },
  async 'shared sessions and groups'({ store, as, call }) {
    const insert = (collection: string, value: object) => ({ collection, type: 'insert', value })
    await call('share', () =>
      store.write(ada, {
        id: 'b1',
        mutations: [
          insert('sessions', { id: 'team', title: 'Team' }),
          insert('sessions', { id: 'all', title: 'All', visibility: 'tenant' }),
          insert('sessionGrants', {
            id: 'g',
            sessionId: 'team',
            grantee: 'team:red',
            role: 'member',
          }),
        ],
      }),
    )
    for (const principal of [ada, bob, carl, eve]) {
      for (const id of ['team', 'all']) {
        await call('active', () => as(principal).getActiveChatThread(id, 'session'))
        const message = { sessionId: id, mode: 'session', role: 'user', content: 'Hi' } as const
        await call('append', () => as(principal).appendChatMessage(message))
      }
      await call('all', async () => (await as(principal).getChatMessagesCollection()).toArray)
    }
    await call('clear', () => as(carl).clearChatMessages())
    await call('all', async () => (await as(ada).getChatMessagesCollection()).toArray)
  },
  async 'fixed sessions'({ as, call }) {
    for (const scope of ['user', 'tenant'] as const) {
      const fixedSessions = { [`fixed-${scope}`]: scope }
      const sessionId = `fixed-${scope}`
      for (const principal of [ada, bob]) {
        const stores = as(principal, { fixedSessions })
        const message = { sessionId, mode: 'general', role: 'user', content: 'Hi' } as const
        await call('append', () => stores.appendChatMessage(message))
        await call('list', () => stores.listChatMessages(sessionId, 'general'))
      }
    }
  },
  async 'uploads and their files'({ store, as, call, events }) {
    const path = join(directory, 'run.jsonl')
    const file = { relativePath: 'run.jsonl', absolutePath: path, source: 'external' } as const
    const stores = as(ada, { sourceDirectories: [directory] })
    const saved = await call('save', () => stores.saveSessionUpload('a.jsonl', log('Mend it')))
    await call('save', () => stores.saveSessionUpload('empty.jsonl', ''))
    await call('events', () => events(saved.id))
    await writeFile(path, log('First'))
    const ensured = await call('ensure', () => stores.ensureSessionUploadForFile(file))
    await call('ensure', () => stores.ensureSessionUploadForFile({ ...file, repoLabel: 'app' }))
    await writeFile(path, `${log('First')}${log('Second')}`)
    await utimes(path, new Date(1_000), new Date(2_000))
    await call('ensure', () => stores.ensureSessionUploadForFile(file))
    await call('content', () => stores.getSessionUploadContent(ensured.id))
    await writeFile(path, log('Third'))
    await call('refresh', () => stores.refreshSessionUploadFromSource(ensured.id))
    await call('refresh', () => stores.refreshSessionUploadFromSource(saved.id))
    await call('refused', () => as(ada).ensureSessionUploadForFile(file))
    await call('foreign', () => as(bob).getSessionUploadContent(ensured.id))
    await call('foreign', () => as(bob).replaceSessionUploadContent(ensured.id, 'x'))
    await call('replace', () => stores.replaceSessionUploadContent(saved.id, log('Replaced')))
    await call('events', () => events(saved.id))
    await call('by name', () => stores.getSessionUploadContentByOriginalName('a.jsonl'))
    await call('by name', () => stores.findSessionUploadRecordByOriginalName('b.jsonl'))
    await call('by path', () => stores.findSessionUploadRecordBySourcePath(path))
    await call('again', () =>
      store.uploadContent(ada, saved.id, (async function* () {})(), { offset: 3 }),
    )
    await call('state', () => store.uploadState(ada, saved.id))
    await call('state', () => store.uploadState(bob, saved.id))
    const chat = { sessionId: saved.id, mode: 'session', role: 'user', content: 'Why?' } as const
    await call('chat', () => stores.appendChatMessage(chat))
    await call('clear', () => stores.clearSessionUploadRecords())
    await call('list', () => stores.listSessionUploadRecords())
    await call('chats', () => stores.listChatMessages(saved.id, 'session'))
  },
  async 'events that users change between derivations'({ store, as, call, events }) {
    const stores = as(ada)
    const { id } = await stores.saveSessionUpload('a.jsonl', log('First'))
    const collection = 'timelineEvents'
    const write = (batch: string, mutation: object) =>
      call(batch, () =>
        store.write(ada, { id: batch, mutations: [{ collection, ...mutation }] } as never),
      )
    const deriveAgain = async (text: string) => {
      await call('replace', () => stores.replaceSessionUploadContent(id, log(text)))
      await call('events', () => events(id))
    }
    const edit = (seq: number) => ({
      type: 'update',
      id: `${id}:${seq}`,
      changes: { title: 'Mine' },
    })
    await write('edit', edit(1))
    await deriveAgain('Second')
    await write('edit all', edit(0))
    await deriveAgain('Third')
    const own = { id: 'own', sessionId: id, seq: 2, kind: 'other', title: 'getUserById' }
    await write('insert', { type: 'insert', value: own })
    await write('delete', { type: 'delete', id: `${id}:0` })
    await deriveAgain('Fourth')
  },
  async 'writes of browsers'({ store, call }) {
    const session = {
      collection: 'sessions',
      type: 'insert',
      value: { id: 'w', title: 'W' },
    } as const
    const thread = { id: 't', sessionId: 'w', mode: 'session', title: 'T' } as const
    const message = (role: 'user' | 'assistant', id: string) =>
      ({
        collection: 'chatMessages',
        type: 'insert',
        value: { id, threadId: 't', role, content: role },
      }) as const
    await call('session', () => runWrite(store, ada, { id: 'w1', mutations: [session] }))
    await call('thread', () =>
      runWrite(store, ada, {
        id: 'w2',
        mutations: [{ collection: 'chatThreads', type: 'insert', value: thread } as const],
      }),
    )
    await call('user', () => runWrite(store, ada, { id: 'w3', mutations: [message('user', 'm1')] }))
    await call('assistant', () =>
      runWrite(store, ada, { id: 'w4', mutations: [message('assistant', 'm2')] }),
    )
    await call('server', () =>
      store.write(ada, { id: 'w5', mutations: [message('assistant', 'm2')] }),
    )
    await call('read', async () => (await store.readMessage(ada, 'm2'))?.content)
    await call('read', () => store.readMessage(bob, 'm2'))
  },
}

describe.each([
  ['the default rule', undefined],
  ["an app's own rule", managers],
] as const)('under %s', (_name, access) => {
  test.each(Object.entries(scenarios))('%s', async (_, scenario) => {
    await fixture.pool.query('TRUNCATE sessions, applied_batches CASCADE')
    const rule = access === undefined ? {} : { access }
    const store = createSessionStore({ database: fixture.pool, ...rule })
    const inPostgres = await play(store, eventsInPostgres, scenario)
    const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes', ...rule })
    const inMemory = await play(createMemorySessionStore(mock), eventsIn(mock), scenario)
    expect(inMemory).toEqual(inPostgres)
    expect(inPostgres.length).toBeGreaterThan(1)
  })
})

const EVENT = [
  ...(['id', 'seq', 'kind', 'role', 'title', 'text', 'toolName', 'callId', 'parentId'] as const),
  ...(['fold', 'data', 'moreWords'] as const),
]
const SESSION = ['status', 'title', 'format', 'eventCount', 'model', 'totals', 'metadata'] as const

async function eventsInPostgres(sessionId: string): Promise<unknown> {
  const columns = (names: readonly string[]) =>
    names.map(
      (name) => `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} AS "${name}"`,
    )
  const events = await fixture.rows(
    `SELECT ${columns(EVENT)} FROM timeline_events WHERE session_id = $1 ORDER BY seq`,
    [sessionId],
  )
  const sessions = await fixture.rows(`SELECT ${columns(SESSION)} FROM sessions WHERE id = $1`, [
    sessionId,
  ])
  return { events, sessions }
}

const eventsIn = (mock: ShapeMock) => async (sessionId: string) => {
  const pick = (names: readonly string[]) => (row: object) =>
    Object.fromEntries(names.map((name) => [name, Reflect.get(row, name)]))
  const events = mock.rows('timelineEvents').filter((row) => row.sessionId === sessionId)
  const sessions = mock.rows('sessions').filter(({ id }) => id === sessionId)
  return {
    events: events.sort((one, other) => one.seq - other.seq).map(pick(EVENT)),
    sessions: sessions.map(pick(SESSION)),
  }
}
