import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/schema/index.ts'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { createAccess, where } from '../../../src/shapes/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  bob,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture
let counter = 0

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

interface Ids {
  readonly session: string
  readonly event: string
  readonly thread: string
  readonly message: string
}

/** Creates Ada's session with an event, and a thread and a message by `chatter`. */
async function givenSession(visibility: string, chatter: Principal = ada): Promise<Ids> {
  counter += 1
  const session = `s${counter}`
  const ids = { session, event: `${session}-0`, thread: `${session}-t`, message: `${session}-m` }
  await fixture.write(
    ada,
    insertSession(session, { visibility: 'tenant' }),
    insertEvent(session, 0),
  )
  await fixture.write(
    chatter,
    insertThread(session, ids.thread),
    insertMessage(ids.thread, ids.message),
  )
  await fixture.write(ada, {
    collection: 'sessions',
    type: 'update',
    id: session,
    changes: visibility === 'tenant' ? {} : { visibility: 'private' },
  })
  return ids
}

const missing: Ids = { session: 'no-s', event: 'no-e', thread: 'no-t', message: 'no-m' }

/** Every mutation of a session or its children. */
const mutations: Record<string, (ids: Ids) => MutationInput> = {
  'update session': ({ session: id }) => ({
    collection: 'sessions',
    type: 'update',
    id,
    changes: { title: 'changed' },
  }),
  'delete session': ({ session: id }) => ({ collection: 'sessions', type: 'delete', id }),
  'insert event': ({ session }) => insertEvent(session, 1, { id: `${session}-new` }),
  'update event': ({ event: id }) => ({
    collection: 'timelineEvents',
    type: 'update',
    id,
    changes: { title: 'changed' },
  }),
  'delete event': ({ event: id }) => ({ collection: 'timelineEvents', type: 'delete', id }),
  'insert thread': ({ session }) => insertThread(session, `${session}-new`),
  'update thread': ({ thread: id }) => ({
    collection: 'chatThreads',
    type: 'update',
    id,
    changes: { title: 'changed' },
  }),
  'delete thread': ({ thread: id }) => ({ collection: 'chatThreads', type: 'delete', id }),
  'insert message': ({ thread }) => insertMessage(thread, `${thread}-new`),
  'update message': ({ message: id }) => ({
    collection: 'chatMessages',
    type: 'update',
    id,
    changes: { content: 'changed' },
  }),
  'delete message': ({ message: id }) => ({ collection: 'chatMessages', type: 'delete', id }),
}
const names = Object.keys(mutations)
const onSession = names.filter((name) => /session|event/.test(name))
const onChat = names.filter((name) => /thread|message/.test(name))
const inserts = onChat.filter((name) => name.startsWith('insert'))
const changes = onChat.filter((name) => !name.startsWith('insert'))

function attempt(principal: Principal, name: string, ids: Ids) {
  return fixture.write(principal, mutations[name]?.(ids) as MutationInput)
}

async function snapshot(): Promise<unknown> {
  const tables = ['sessions', 'timeline_events', 'chat_threads', 'chat_messages', 'applied_batches']
  return Promise.all(tables.map((table) => fixture.rows(`SELECT * FROM ${table} ORDER BY 1, 2`)))
}

/** Expects a refusal with this code and an unchanged database. */
async function expectRefusal(code: string, principal: Principal, name: string, ids: Ids) {
  const before = await snapshot()
  const refused = await refusalOf(attempt(principal, name, ids))
  expect(refused.code).toBe(code)
  expect(await snapshot()).toEqual(before)
  return refused
}

describe('the owner of a session may', () => {
  test.each(names)('%s in a private session', async (name) => {
    const result = await attempt(ada, name, await givenSession('private'))
    expect(result.txid).not.toBeNull()
  })
  test.each(changes)('%s of another user’s row in the session', async (name) => {
    await attempt(ada, name, await givenSession('tenant', bob))
  })
})

describe('another user of the tenant', () => {
  test.each(names)('gets not_found for %s in a private session', async (name) => {
    const hidden = await expectRefusal('not_found', bob, name, await givenSession('private'))
    expect(hidden).toEqual(await expectRefusal('not_found', bob, name, missing))
  })
  test.each(changes)(
    'gets not_found for %s of their own row once the session is private',
    async (name) => {
      await expectRefusal('not_found', bob, name, await givenSession('private', bob))
    },
  )
  test.each(onSession)('is forbidden %s in a shared session', async (name) => {
    await expectRefusal('forbidden', bob, name, await givenSession('tenant'))
  })
  test.each(inserts)('may %s in a shared session', async (name) => {
    await attempt(bob, name, await givenSession('tenant'))
  })
  test.each(changes)('is forbidden %s of the owner’s row in a shared session', async (name) => {
    await expectRefusal('forbidden', bob, name, await givenSession('tenant'))
  })
  test.each(changes)('may %s of their own row in a shared session', async (name) => {
    await attempt(bob, name, await givenSession('tenant', bob))
  })
})

describe('a user of another tenant with the owner’s user id', () => {
  test.each(names)('gets not_found for %s', async (name) => {
    const hidden = await expectRefusal('not_found', stranger, name, await givenSession('tenant'))
    expect(hidden).toEqual(await expectRefusal('not_found', stranger, name, missing))
  })
  test('may use the same ids for their own rows', async () => {
    const ids = await givenSession('tenant')
    await fixture.write(
      stranger,
      insertSession(ids.session),
      insertEvent(ids.session, 0),
      insertThread(ids.session, ids.thread),
      insertMessage(ids.thread, ids.message),
    )
    await attempt(stranger, 'delete session', ids)
    const left = await fixture.rows('SELECT tenant_id FROM chat_messages WHERE id = $1', [
      ids.message,
    ])
    expect(left).toEqual([{ tenant_id: 'acme' }])
  })
})

describe('rejects the malformed principal', () => {
  test.each([
    undefined,
    {},
    { tenantId: '', userId: 'u' },
    { tenantId: 't', userId: 1 },
    { tenantId: 't\0', userId: 'u' },
  ])('%j', async (principal) => {
    const write = fixture.write(principal as unknown as Principal, insertSession('never'))
    expect((await refusalOf(write)).code).toBe('unauthenticated')
  })
})

describe('an app’s policy', () => {
  interface Member extends Principal {
    readonly role: 'admin' | 'guest'
  }
  const admin: Member = { ...bob, role: 'admin' }
  const guest: Member = { ...bob, role: 'guest' }

  test('receives the app’s principal, the mutation and the rows', async () => {
    const store = createSessionStore<Member>({
      database: fixture.pool,
      access: createAccess<Member>({
        audiences: ({ role, userId }) => (role === 'admin' ? ['all'] : [`user:${userId}`]),
        see: ({ userId }, audience) =>
          audience === 'all' ? where.and() : where.eq('owner_id', userId),
        writes: {
          sessions: { delete: ({ role }) => (role === 'admin' ? where.and() : where.or()) },
          chatMessages: {
            insert: (_, { role }) => sql`${role}::text <> 'system'`,
            update: () =>
              where.and(
                where.eq('message.status', 'streaming'),
                where.eq('thread.status', 'active'),
              ),
          },
        },
      }),
    })
    const ids = await givenSession('private')
    const write = (principal: Member, mutation: MutationInput) => {
      counter += 1
      return store.write(principal, { id: `policy-${counter}`, mutations: [mutation] })
    }
    const remove = { collection: 'sessions', type: 'delete', id: ids.session } as const
    const system = insertMessage(ids.thread, 'sys', { role: 'system' })
    const edit = mutations['update message']?.(ids) as MutationInput
    expect((await refusalOf(write(guest, remove))).code).toBe('not_found')
    expect((await refusalOf(write(admin, system))).code).toBe('forbidden')
    expect((await refusalOf(write(admin, edit))).code).toBe('forbidden')
    await write(admin, insertMessage(ids.thread, 'streamed', { status: 'streaming' }))
    await write(admin, { ...edit, id: 'streamed' } as MutationInput)
    await write(admin, remove)
    await store.close()
    expect(await fixture.rows('SELECT FROM sessions WHERE id = $1', [ids.session])).toEqual([])
  })

  test('never reaches another tenant, whatever its conditions', async () => {
    const everything = () => where.and()
    const rules = { insert: everything, update: everything, delete: everything }
    const access = createAccess({
      see: everything,
      writes: { sessions: rules, timelineEvents: rules, chatThreads: rules, chatMessages: rules },
    })
    const store = createSessionStore({ database: fixture.pool, access })
    const ids = await givenSession('tenant')
    for (const [index, name] of names.entries()) {
      const batch = { id: `open-${index}`, mutations: [mutations[name]?.(ids)] }
      expect((await refusalOf(store.write(stranger, batch))).code).toBe('not_found')
    }
  })
})
