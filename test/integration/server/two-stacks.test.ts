import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  type Principal,
  routeStores,
  type SessionStore,
} from '../../../src/server.ts'
import { migratedDatabase } from '../../support/database.ts'
import { cases, fc } from '../../support/property.ts'
import { query } from '../../support/query.ts'

// Two stacks, each a database and a shape server over it. Both have all tenants, sessions and
// threads under the same ids; only titles tell which stack a row comes from.

const names = ['a', 'b'] as const
type Name = (typeof names)[number]

interface Stack {
  readonly databaseUrl: string
  readonly electricUrl: string
  readonly secret: string
  readonly store: SessionStore
  close(): Promise<void>
}

const tenants = ['acme', 'other'] as const
/** Where each tenant is. */
const homes: Record<string, Name> = { acme: 'a', other: 'b' }
const stackOf = ({ tenantId }: Principal): Name => homes[tenantId] as Name
let stacks: Record<Name, Stack>
let store: SessionStore
let serveShape: (request: Request) => Promise<Response>
let serveWrites: (request: Request) => Promise<Response>

async function startStack(name: Name): Promise<Stack> {
  const database = await migratedDatabase()
  for (const tenant of tenants) {
    await query(
      database.url,
      `INSERT INTO sessions (tenant_id, id, owner_id, title, status)
       VALUES ($1, 's1', 'ann', 'in ${name}', 'ready')`,
      [tenant],
    )
    await query(
      database.url,
      `INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
       VALUES ($1, 't1', 's1', 'ann', 'session', 'in ${name}')`,
      [tenant],
    )
  }
  const secret = `secret of ${name}`
  const engine = await createShapeServer({ database: database.url, secret, longPollMs: 1_000 })
  const { url: electricUrl } = await engine.listen()
  return {
    databaseUrl: database.url,
    electricUrl,
    secret,
    store: createSessionStore({ database: database.url, requestLimits: false }),
    async close() {
      await engine.close()
      await database.drop()
    },
  }
}

/** Reads the principal from the header `x-user: tenant/user`. */
function authenticate(request: Request): Principal | null {
  const [tenantId, userId] = request.headers.get('x-user')?.split('/') ?? []
  return tenantId && userId ? { tenantId, userId } : null
}

beforeAll(async () => {
  const [a, b] = await Promise.all([startStack('a'), startStack('b')])
  stacks = { a, b }
  store = routeStores({ stores: { a: a.store, b: b.store }, storeOf: stackOf })
  serveShape = createShapeProxy({
    electricUrl: (principal) => stacks[stackOf(principal)],
    authenticate,
    limits: false,
  })
  serveWrites = createWriteHandler({ store, authenticate })
})
afterAll(async () => {
  await store.close()
  await Promise.all([stacks.a.close(), stacks.b.close()])
})

function ask(tenant: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { 'x-user': `${tenant}/ann`, 'content-type': 'application/json' }
  return serveShape(new Request(`http://app.test/api/shapes/${path}`, { ...init, headers }))
}

async function titlesOf(response: Response): Promise<string[]> {
  expect(response.status).toBe(200)
  const messages = (await response.json()) as { value?: { title?: string } }[]
  return messages.flatMap(({ value }) => (value?.title === undefined ? [] : [value.title]))
}

const AUDIENCE = 'audience=user%3Aann'
/** Reads titles through every path by which rows leave; each returns those of one tenant. */
const reads: Readonly<Record<string, (tenantId: string) => Promise<string[]>>> = {
  sessions: async (tenant) => titlesOf(await ask(tenant, `sessions?${AUDIENCE}&offset=-1`)),
  threads: async (tenant) =>
    titlesOf(await ask(tenant, `session-threads?sessionId=s1&${AUDIENCE}&offset=-1`)),
  listSessions: async (tenantId) => {
    const { sessions } = await store.listSessions({ tenantId, userId: 'ann' })
    return sessions.map(({ title }) => title)
  },
  listThreads: async (tenantId) => {
    const { threads } = await store.listThreads({ tenantId, userId: 'ann' })
    return threads.map(({ title }) => title)
  },
  readRows: async (tenantId) => {
    const { rows } = await store.readRows({ tenantId, userId: 'ann' }, { shape: 'sessions' })
    return rows.map(({ title }) => title)
  },
}

test('rows of a tenant come from its own stack, wherever tenants are and in whatever order they are asked', async () => {
  const asked = fc.array(
    fc.record({
      tenant: fc.constantFrom(...tenants),
      read: fc.constantFrom(...Object.keys(reads)),
    }),
    { minLength: 1, maxLength: 12 },
  )
  const places = fc.record({ acme: fc.constantFrom(...names), other: fc.constantFrom(...names) })
  await fc.assert(
    fc.asyncProperty(places, asked, async (place, requests) => {
      Object.assign(homes, place)
      const answers = await Promise.all(
        requests.map(async ({ tenant, read }) => ({
          tenant,
          titles: new Set(await reads[read]?.(tenant)),
        })),
      )
      for (const { tenant, titles } of answers) expect([...titles]).toEqual([`in ${place[tenant]}`])
    }),
    { numRuns: cases(15, 200) },
  )
})

test('a write goes to the database of its tenant, and its row comes to its live clients only', async () => {
  Object.assign(homes, { acme: 'a', other: 'b' })
  const first = await Promise.all(
    tenants.map((tenant) => ask(tenant, `sessions?${AUDIENCE}&offset=-1`)),
  )
  const live = first.map((response, index) => {
    const place = `handle=${response.headers.get('electric-handle')}&offset=${response.headers.get('electric-offset')}`
    return ask(tenants[index] as string, `sessions?${AUDIENCE}&${place}&live=true`)
  })
  const change = {
    collection: 'sessions',
    type: 'update',
    id: 's1',
    changes: { title: 'new in a' },
  }
  const written = await serveWrites(
    new Request('http://app.test/api/write', {
      method: 'POST',
      headers: { 'x-user': 'acme/ann', 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'rename', mutations: [change] }),
    }),
  )
  expect(written.status).toBe(200)
  const [mine, others] = await Promise.all(live.map(async (response) => titlesOf(await response)))
  expect(mine).toEqual(['new in a'])
  expect(others).toEqual([])
  const title = `SELECT title FROM sessions WHERE tenant_id = 'acme'`
  expect(await query(stacks.b.databaseUrl, title)).toEqual([{ title: 'in b' }])
  await query(stacks.a.databaseUrl, `UPDATE sessions SET title = 'in a' WHERE tenant_id = 'acme'`)
})

test('a tenant without a stack gets nothing, and the reason only in the log', async () => {
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)
  const serve = createShapeProxy({
    electricUrl: (principal) => stacks[stackOf(principal)],
    authenticate,
    onError,
  })
  const headers = { 'x-user': 'nowhere/ann' }
  const response = await serve(
    new Request(`http://app.test/api/shapes/sessions?${AUDIENCE}&offset=-1`, { headers }),
  )
  expect(response.status).toBe(503)
  expect(await response.text()).not.toMatch(/nowhere|engine|secret/)
  expect(errors).toEqual([new TypeError('`electricUrl` returned no engine.')])
  await expect(store.listSessions({ tenantId: 'nowhere', userId: 'ann' })).rejects.toThrow(
    'storeOf returned "undefined", which is not one of the stores.',
  )
})

test('a routed store has every method of a store', () => {
  expect(Object.keys(store).sort()).toEqual(Object.keys(stacks.a.store).sort())
})

test('threads are read and workers run in the stores behind it', async () => {
  Object.assign(homes, { acme: 'a' })
  const messages: unknown[] = []
  for await (const message of store.threadMessages({ tenantId: 'acme', userId: 'ann' }, 't1')) {
    messages.push(message)
  }
  expect(messages).toEqual([])
  const worker = store.startWorker()
  await worker.stop()
})
