import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { RequestHandler } from 'msw'
import { setupServer } from 'msw/node'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createSessionCollections,
  type SessionCollections,
} from '../../../../src/collections/index.ts'
import { createShapeServer } from '../../../../src/dev/shape-server/index.ts'
import { column, type Principal } from '../../../../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  migrate,
  runWrite,
} from '../../../../src/server/index.ts'
import {
  type Condition,
  createAccess,
  createLinkToken,
  createSessionShapes,
  where,
} from '../../../../src/shapes/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../../src/testing/index.ts'
import type { WriteAdapter } from '../../../../src/writes/index.ts'
import { freshDatabase } from '../../../support/database.ts'
import { serve } from '../../../unit/proxy/serve.ts'

/** The recipe docs/recipes/own-access-tables.md, on the mock and on Postgres with the shape server. */

interface AppPrincipal extends Principal {
  readonly isAuditor: boolean
}

function sharedWithTeamOf({ userId }: AppPrincipal, ...more: Condition[]) {
  const active = where.and(where.eq('user_id', userId), where.eq('is_active', true))
  const inStaff = where.inArray('user_id', { table: 'staff', select: 'user_id', where: active })
  const ownTeams = {
    table: 'team_members',
    select: 'team_id',
    where: where.and(where.eq('user_id', userId), inStaff),
  }
  return where.inArray('id', {
    table: 'session_teams',
    select: 'session_id',
    where: where.and(where.inArray('team_id', ownTeams), ...more),
  })
}

const access = createAccess<AppPrincipal>({
  audiences: ({ userId, isAuditor }) => [isAuditor ? 'auditors' : `user:${userId}`],
  see: (principal) =>
    principal.isAuditor
      ? where.and()
      : where.or(where.eq('owner_id', principal.userId), sharedWithTeamOf(principal)),
  chat: (principal) => sharedWithTeamOf(principal, where.eq('may_write', true)),
  edit: () => where.or(),
})

const appTables = {
  staff: {
    columns: {
      tenantId: column('tenant_id', 'text'),
      userId: column('user_id', 'uuid'),
      isActive: column('is_active', 'boolean'),
    },
    primaryKey: ['tenantId', 'userId'],
  },
  team_members: {
    columns: {
      tenantId: column('tenant_id', 'text'),
      teamId: column('team_id', 'uuid'),
      userId: column('user_id', 'uuid'),
    },
    primaryKey: ['tenantId', 'teamId', 'userId'],
  },
  session_teams: {
    columns: {
      tenantId: column('tenant_id', 'text'),
      sessionId: column('session_id', 'text'),
      teamId: column('team_id', 'uuid'),
      mayWrite: column('may_write', 'boolean'),
    },
    primaryKey: ['tenantId', 'sessionId', 'teamId'],
  },
}

const user = (tenantId: string, isAuditor = false): AppPrincipal => ({
  tenantId,
  userId: randomUUID(),
  isAuditor,
})
const ann = user('acme')
const ben = user('acme')
const eve = user('acme', true)
const rival = user('rival', true)
const people = { ann, ben, eve, rival }
type Name = keyof typeof people
const team = randomUUID()
const other = randomUUID()

type Table = keyof typeof appTables
type Row = Readonly<Record<string, string | boolean>>

/** The app on one of the two backends. Ann owns the session `log`, on Postgres with a content. */
interface App {
  open(name: Name): SessionCollections
  put(table: Table, row: Row): Promise<unknown>
  remove(table: Table, key: Row): Promise<unknown>
  /** Returns the reads on the server that show the sessions `s1` and `log` to a user. */
  reads(name: Name): Promise<readonly string[]>
}

function openAs(name: Name, url: string, writeAdapter: WriteAdapter): SessionCollections {
  const db = createSessionCollections({
    electricUrl: url,
    headers: { 'x-user': name },
    identity: people[name],
    writeAdapter,
  })
  onTestFinished(() => db.cleanup())
  return db
}

const authenticate = (request: Request) => people[request.headers.get('x-user') as Name] ?? null

function listenTo(handlers: RequestHandler[]): void {
  const server = setupServer(...handlers)
  server.listen()
  onTestFinished(() => server.close())
}

async function onMock(): Promise<App> {
  const url = 'http://mock.test/api/shapes'
  const mock = createShapeMock({
    electricUrl: url,
    principal: ann,
    access,
    appTables,
    authenticate,
  })
  mock.insert('sessions', { id: 'log' })
  listenTo(mock.handlers)
  const adapterOf = (ben: AppPrincipal) => {
    const writeAdapter = createMemoryWriteAdapter(mock, { principal: ben })
    return writeAdapter
  }
  return {
    open: (name) => openAs(name, url, adapterOf(people[name])),
    put: async (table, row) => mock.appTable(table).put(row),
    remove: async (table, key) => mock.appTable(table).delete(key),
    reads: async () => [],
  }
}

async function onPostgres(): Promise<App> {
  const { url: database, drop } = await freshDatabase()
  await migrate({ database })
  const client = new Client({ connectionString: database })
  await client.connect()
  const recipe = await readFile('docs/recipes/own-access-tables.md', 'utf8')
  await client.query(/```sql\n(.*?)```/s.exec(recipe)?.[1] ?? '')
  const engine = await createShapeServer({ database })
  const { url: electricUrl } = await engine.listen()
  const shapes = createSessionShapes(access)
  const store = createSessionStore({ database, access })
  const serveShape = createShapeProxy({ electricUrl, shapes, authenticate })
  const app = await serve(serveShape)
  onTestFinished(async () => {
    await app.close()
    await engine.close()
    await store.close()
    await client.end()
    await drop()
  })
  await store.createSession(ann, { id: 'log', title: 'Log', originalName: 'log.txt' })
  await store.uploadContent(ann, 'log', Readable.from([Buffer.from('a line')]))
  const nameOf = (property: string) => property.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
  const shows = (read: Promise<unknown>) => read.then(Boolean, () => false)
  return {
    open: (name) =>
      openAs(name, `${app.url}/api/shapes`, (batch) => runWrite(store, people[name], batch)),
    put(table, row) {
      const names = Object.keys(row).map(nameOf)
      const values = Object.values(row)
      const sets = names.map((column) => `${column} = excluded.${column}`)
      return client.query(
        `INSERT INTO ${table} (${names}) VALUES (${values.map((_, index) => `$${index + 1}`)})
         ON CONFLICT (${appTables[table].primaryKey.map(nameOf)}) DO UPDATE SET ${sets}`,
        values,
      )
    },
    remove(table, key) {
      const parts = Object.keys(key).map((property, index) => `${nameOf(property)} = $${index + 1}`)
      return client.query(`DELETE FROM ${table} WHERE ${parts.join(' AND ')}`, Object.values(key))
    },
    async reads(name) {
      const principal = people[name]
      const reads = {
        search: store.searchEvents(principal, { query: 'needle' }).then(({ hits }) => hits.length),
        outline: store
          .outlineTimeline(principal, { sessionId: 's1' })
          .then(({ ranges }) => ranges.length),
        facets: store.timelineFacets(principal, 's1').then(({ kinds }) => kinds.length),
        message: store.readMessage(principal, 'm1'),
        upload: store.uploadState(principal, 'log'),
        content: store.openContent(principal, 'log'),
      }
      const shown = await Promise.all(
        Object.entries(reads).map(async ([read, result]) => ((await shows(result)) ? [read] : [])),
      )
      return shown.flat()
    },
  }
}

const codeOf = (committed: Promise<unknown>) =>
  committed.then(
    () => 'written',
    (error: { code: string }) => error.code,
  )

describe.each([
  ['the mock', onMock],
  ['Postgres and the shape server', onPostgres],
])('docs/recipes/own-access-tables.md on %s', (backend, start) => {
  test('one value decides reads and writes', async () => {
    const app = await start()
    const [forAnn, forBen, forEve, forRival] = [
      app.open('ann'),
      app.open('ben'),
      app.open('eve'),
      app.open('rival'),
    ]
    const all = [forAnn, forBen, forEve, forRival]
    await Promise.all(all.map((db) => db.sessions.preload()))
    const everyRead =
      backend === 'the mock' ? [] : ['search', 'outline', 'facets', 'message', 'upload', 'content']
    for (const { tenantId, userId } of [ann, ben]) {
      await app.put('staff', { tenantId, userId, isActive: true })
    }
    await forAnn.actions.write([
      { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'Plan' } },
      {
        collection: 'timelineEvents',
        type: 'insert',
        value: { id: 'e1', sessionId: 's1', seq: 0, kind: 'message', text: 'needle' },
      },
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 't1', sessionId: 's1', mode: 'session', title: 'Chat' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm1', threadId: 't1', role: 'user', content: 'Hello' },
      },
    ]).committed
    const { messages, timeline } = forBen.session('s1')
    await Promise.all([messages.preload(), timeline.preload()])
    const benSees = () => [forBen.sessions.has('s1'), timeline.size, messages.has('m1')]
    let next = 1
    const chat = () => {
      const message = { id: `ben-${next++}`, threadId: 't1', role: 'user', content: 'Hi' } as const
      return codeOf(forBen.actions.appendMessage({ ...message, sessionId: 's1' }).committed)
    }
    const rename = (db: SessionCollections) =>
      codeOf(db.actions.updateSession('s1', { title: 'Renamed' }).committed)

    await expect.poll(() => forEve.sessions.has('s1')).toBe(true)
    expect(benSees()).toEqual([false, 0, false])
    expect(await chat()).toBe('not_found')
    expect(await app.reads('ben')).toEqual([])

    const membership = { tenantId: 'acme', teamId: team, userId: ben.userId }
    await app.put('team_members', membership)
    const share = { tenantId: 'acme', sessionId: 's1', teamId: team }
    await app.put('session_teams', { ...share, teamId: other, mayWrite: true })
    expect(await chat()).toBe('not_found')
    await app.put('session_teams', { ...share, mayWrite: false })
    await app.put('session_teams', { ...share, sessionId: 'log', mayWrite: false })
    await expect.poll(benSees).toEqual([true, 1, true])
    expect(await app.reads('ben')).toEqual(everyRead)
    expect(await chat()).toBe('forbidden')
    expect(await rename(forBen)).toBe('forbidden')

    await app.put('session_teams', { ...share, mayWrite: true })
    await expect.poll(chat).toBe('written')
    expect(await rename(forBen)).toBe('forbidden')
    expect(await rename(forAnn)).toBe('written')

    await app.put('staff', { tenantId: 'acme', userId: ben.userId, isActive: false })
    await expect.poll(benSees).toEqual([false, 0, false])
    expect(await chat()).toBe('not_found')
    expect(await app.reads('ben')).toEqual([])
    await app.put('staff', { tenantId: 'acme', userId: ben.userId, isActive: true })
    await expect.poll(benSees).toEqual([true, 1, true])
    await app.remove('team_members', membership)
    await expect.poll(benSees).toEqual([false, 0, false])

    expect([forEve.sessions.size, forRival.sessions.size]).toEqual([2, 0])
    expect(await rename(forEve)).toBe('forbidden')
    expect(await app.reads('eve')).toEqual(everyRead)
    expect(await app.reads('rival')).toEqual([])
  })
})

test('a visitor with a link sees only what the link shows', async () => {
  const withVisitors = createAccess<Principal & { readonly isVisitor: boolean }>({
    audiences: ({ isVisitor, userId, groups = [] }) =>
      isVisitor ? groups : ['tenant', ...groups, `user:${userId}`],
  })
  const { grantee } = await createLinkToken()
  const visitor = { tenantId: 'acme', userId: 'visit-1', isVisitor: true, groups: [grantee] }
  const mock = createShapeMock({
    electricUrl: 'http://mock.test/api/shapes',
    principal: { tenantId: 'acme', userId: 'ann', isVisitor: false },
    authenticate: () => visitor,
    access: withVisitors,
    tables: {
      sessions: [{ id: 'of-tenant', visibility: 'tenant' }, { id: 'of-link' }, { id: 'of-nobody' }],
      sessionGrants: [{ sessionId: 'of-link', grantee, role: 'viewer' }],
    },
  })
  listenTo(mock.handlers)
  const db = createSessionCollections({
    electricUrl: 'http://mock.test/api/shapes',
    identity: visitor,
    writeAdapter: createMemoryWriteAdapter(mock, { principal: visitor }),
  })
  onTestFinished(() => db.cleanup())
  await db.sessions.preload()
  expect(db.sessions.toArray.map(({ id }) => id)).toEqual(['of-link'])
})
