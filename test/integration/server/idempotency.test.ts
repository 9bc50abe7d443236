import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { storeDrivers } from './store-drivers.ts'
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

describe.each(storeDrivers)('over %s', (driver) => {
  let fixture: StoreFixture

  beforeAll(async () => {
    fixture = await startStore({ driver })
    await fixture.write(ada, insertSession('s', { visibility: 'tenant' }), insertThread('s', 't'))
  })
  afterAll(() => fixture.close())

  /** Batches of each kind. Every call returns new rows. */
  const batches: Record<string, () => Promise<MutationInput[]>> = {
    'insert a session': async () => [insertSession(randomUUID())],
    'append a message': async () => [insertMessage('t', randomUUID())],
    'update a session': async () => {
      const id = randomUUID()
      await fixture.write(ada, insertSession(id))
      const changes = { title: 'changed' }
      return [{ collection: 'sessions', type: 'update', id, changes, expectedVersion: 1 }]
    },
    'delete a session': async () => {
      const id = randomUUID()
      await fixture.write(ada, insertSession(id))
      return [{ collection: 'sessions', type: 'delete', id }]
    },
    'change nothing': async () => {
      const id = randomUUID()
      await fixture.write(ada, insertSession(id), insertEvent(id, 0))
      return [{ collection: 'timelineEvents', type: 'update', id: `${id}-0`, changes: {} }]
    },
    'several mutations': async () => {
      const id = randomUUID()
      return [insertSession(id), insertThread(id, `${id}-t`), insertMessage(`${id}-t`, `${id}-m`)]
    },
  }

  describe.each(Object.keys(batches))('%s', (name) => {
    async function newBatch() {
      return { id: randomUUID(), mutations: (await batches[name]?.()) ?? [] }
    }

    test('returns the first result for a repeated batch', async () => {
      const batch = await newBatch()
      const first = await fixture.store.write(ada, batch)
      const before = await contents()
      expect(await fixture.store.write(ada, batch)).toEqual(first)
      expect(await contents()).toEqual(before)
    })

    test('applies one of twenty concurrent repetitions over two stores and returns its result for all', async () => {
      const batch = await newBatch()
      const other = createSessionStore({ database: fixture.pool })
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? fixture.store : other).write(ada, batch),
        ),
      )
      expect(new Set(answers.map((answer) => JSON.stringify(sorted(answer)))).size).toBe(1)
      const claims = await fixture.rows('SELECT txid FROM applied_batches WHERE batch_id = $1', [
        batch.id,
      ])
      expect(claims).toEqual([{ txid: answers[0]?.txid == null ? null : `${answers[0].txid}` }])
    })

    test('rejects other content under the same id with a conflict', async () => {
      const batch = await newBatch()
      await fixture.store.write(ada, batch)
      const other = { ...batch, mutations: [...batch.mutations, insertSession(randomUUID())] }
      const content = await refusalOf(fixture.store.write(ada, other))
      const different = { ...batch, mutations: [insertSession(randomUUID())] }
      const single = await refusalOf(fixture.store.write(ada, different))
      expect(content).toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('batch id'),
      })
      expect(single).toEqual(content)
    })
  })

  test('lets another user use the same batch id, before or after its first user', async () => {
    const id = randomUUID()
    const mine = { id, mutations: [insertSession(`${id}-ada`)] }
    const theirs = { id, mutations: [insertSession(`${id}-bob`), insertSession(`${id}-bob-2`)] }
    const first = await fixture.store.write(bob, theirs)
    const second = await fixture.store.write(ada, mine)
    expect(await fixture.store.write(bob, theirs)).toEqual(first)
    expect(await fixture.store.write(ada, mine)).toEqual(second)
    expect(second.mutations).toMatchObject([{ id: `${id}-ada` }])
  })

  test('lets another tenant use the same batch id', async () => {
    const batch = { id: 'shared-id', mutations: [insertSession('tenant-session')] }
    await fixture.store.write(ada, batch)
    await fixture.store.write(stranger, batch)
    expect(
      await fixture.rows("SELECT tenant_id FROM sessions WHERE id = 'tenant-session' ORDER BY 1"),
    ).toEqual([{ tenant_id: 'acme' }, { tenant_id: 'rival' }])
  })

  test('does not claim the id of a refused batch, which may be corrected and sent again', async () => {
    const id = randomUUID()
    const batch = { id: randomUUID(), mutations: [insertThread(id, `${id}-t`)] }
    expect((await refusalOf(fixture.store.write(ada, batch))).code).toBe('not_found')
    await fixture.write(ada, insertSession(id))
    expect((await fixture.store.write(ada, batch)).txid).not.toBeNull()
  })

  async function contents(): Promise<unknown> {
    const tables = [
      'sessions',
      'timeline_events',
      'chat_threads',
      'chat_messages',
      'applied_batches',
    ]
    return Promise.all(tables.map((table) => fixture.rows(`SELECT * FROM ${table} ORDER BY 1, 2`)))
  }

  /** Serializes a value with sorted keys, for comparison. */
  function sorted(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(sorted)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
    return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]))
  }
})
