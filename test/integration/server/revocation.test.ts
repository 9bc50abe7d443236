import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore, type SessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'

let fixture: StoreFixture
let sessions = 0

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

const setVisibility = (id: string, visibility: 'private' | 'tenant'): MutationInput => ({
  collection: 'sessions',
  type: 'update',
  id,
  changes: { visibility },
})

/** Creates Ada's shared session with a thread, and a complete and a streaming message by Bob. */
async function givenSharedSession(): Promise<string> {
  sessions += 1
  const id = `s${sessions}`
  const stream = { writer: 'w' }
  await fixture.write(ada, insertSession(id, { visibility: 'tenant' }), insertThread(id, `${id}-t`))
  await fixture.write(
    bob,
    insertMessage(`${id}-t`, `${id}-m`),
    insertMessage(`${id}-t`, `${id}-streaming`, {
      status: 'streaming',
      content: '',
      metadata: { stream },
    }),
  )
  return id
}

/** Mutations that Bob may make while the session is shared. */
const mutations: Record<string, (id: string) => MutationInput> = {
  'insert message': (id) => insertMessage(`${id}-t`, `${id}-new`),
  'insert message with clientMessageId': (id) =>
    insertMessage(`${id}-t`, `${id}-new`, { clientMessageId: 'c' }),
  'insert thread': (id) => insertThread(id, `${id}-new`),
  'update message': (id) => ({
    collection: 'chatMessages',
    type: 'update',
    id: `${id}-m`,
    changes: { content: 'changed' },
  }),
  'delete message': (id) => ({ collection: 'chatMessages', type: 'delete', id: `${id}-m` }),
}

describe('a revoke waits for a write that was decided before it', () => {
  test.each(Object.entries(mutations))('%s', async (_name, mutation) => {
    const id = await givenSharedSession()
    const holder = await fixture.pool.connect()
    await holder.query('BEGIN')
    await holder.query(
      `INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, result)
       VALUES ('acme', $1, 'bob', '', '{}')`,
      [`held-${id}`],
    )
    const write = fixture.store.write(bob, { id: `held-${id}`, mutations: [mutation(id)] })
    await fixture.untilBlocked()
    await expectRevokeToWait(id, async () => {
      await holder.query('ROLLBACK')
      holder.release()
      await write
    })
  })

  test('append', async () => {
    const id = await givenSharedSession()
    const holder = await fixture.pool.connect()
    await holder.query('BEGIN')
    await holder.query(
      `INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta)
       VALUES ('acme', $1, 0, $2, '', '')`,
      [`${id}-streaming`, id],
    )
    const append: MutationInput = {
      collection: 'chatMessages',
      type: 'append',
      id: `${id}-streaming`,
      writer: 'w',
      seq: 0,
      deltas: [{ delta: 'x' }],
    }
    const write = fixture.write(bob, append)
    await fixture.untilBlocked()
    await expectRevokeToWait(id, async () => {
      await holder.query('ROLLBACK')
      holder.release()
      await write
    })
  })

  async function expectRevokeToWait(id: string, release: () => Promise<void>): Promise<void> {
    let revoked = false
    const revoke = fixture.write(ada, setVisibility(id, 'private')).then(() => {
      revoked = true
    })
    await new Promise((resolve) => setTimeout(resolve, 150))
    const answeredFirst = revoked
    await release()
    await revoke
    expect(answeredFirst).toBe(false)
  }
})

test('no write of eight connections lands after a revoke was answered', async () => {
  const pool = createTestPool(fixture.url, { max: 8, pipeline: true })
  const store: SessionStore = createSessionStore({ database: pool })
  let late = 0
  let written = 0
  for (let round = 0; round < 40; round += 1) {
    const id = await givenSharedSession()
    let stopped = false
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      for (let n = 0; !stopped; n += 1) {
        const mutations = Array.from({ length: 1 + (writer % 3) }, (_, m) =>
          insertMessage(`${id}-t`, `${id}-${writer}-${n}-${m}`),
        )
        const batch = { id: `${id}-${writer}-${n}`, mutations }
        const code = await store.write(bob, batch).then(
          () => 'written',
          (error) => error.code,
        )
        if (code === 'not_found') return
        expect(code).toBe('written')
        written += 1
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20))
    await store.write(ada, { id: `${id}-revoke`, mutations: [setVisibility(id, 'private')] })
    const after = insertMessage(`${id}-t`, `${id}-after`)
    await store.write(ada, { id: `${id}-after`, mutations: [after] })
    stopped = true
    await Promise.all(writers)
    const rows = await fixture.rows(
      `SELECT FROM chat_messages WHERE thread_id = $1 AND author_id = 'bob' AND position >
         (SELECT position FROM chat_messages WHERE id = $2)`,
      [`${id}-t`, `${id}-after`],
    )
    late += rows.length
  }
  expect(written).toBeGreaterThan(100)
  expect(late).toBe(0)
  await pool.end()
}, 60_000)

test('a revoked user gets not_found', async () => {
  const id = await givenSharedSession()
  await fixture.write(ada, setVisibility(id, 'private'))
  for (const mutation of Object.values(mutations)) {
    expect(await refusalOf(fixture.write(bob, mutation(id)))).toMatchObject({ code: 'not_found' })
  }
})
