import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
} from './store-fixture.ts'

describe.each(storeDrivers)('over %s', (driver) => {
  let fixture: StoreFixture

  beforeAll(async () => {
    fixture = await startStore({ driver })
  })
  afterAll(() => fixture.close())

  describe('inserts', () => {
    test('a session owned by the principal, with default values', async () => {
      const startedAt = '2026-03-01T10:00:00+02:00'
      const result = await fixture.write(
        ada,
        insertSession('s-full', { repo: { url: 'r' }, startedAt, repoLabel: null }),
      )
      expect(result).toEqual({
        batchId: expect.any(String),
        txid: expect.any(Number),
        mutations: [{ collection: 'sessions', type: 'insert', id: 's-full', version: 1 }],
      })
      const [row] = await fixture.rows('SELECT *, xmin::text AS xmin FROM sessions WHERE id = $1', [
        's-full',
      ])
      expect(row).toMatchObject({
        tenant_id: 'acme',
        owner_id: 'ada',
        visibility: 'private',
        title: 'Session s-full',
        status: 'pending',
        source: 'upload',
        format: 'other',
        repo: { url: 'r' },
        repo_label: null,
        started_at: new Date('2026-03-01T08:00:00Z'),
        metadata: {},
        version: 1,
        xmin: String(result.txid),
      })
    })

    test('a message with the session and next position of its thread and the principal as author', async () => {
      await fixture.write(ada, insertSession('s1'))
      await fixture.write(ada, insertThread('s1', 't1'))
      await fixture.write(ada, insertMessage('t1', 'm1'))
      const parts = [{ type: 'text', text: 'hé 👋' }]
      const more = { content: `${'👋'.repeat(300)}`, parts, metadata: { evidence: [1] } }
      const result = await fixture.write(ada, insertMessage('t1', 'm2', more))
      const rows = await fixture.rows('SELECT * FROM chat_messages WHERE thread_id = $1', ['t1'])
      expect(rows[1]).toMatchObject({
        session_id: 's1',
        author_id: 'ada',
        position: '2',
        parts,
        metadata: { evidence: [1] },
        status: 'complete',
      })
      const [thread] = await fixture.rows('SELECT *, xmin::text FROM chat_threads WHERE id = $1', [
        't1',
      ])
      expect(thread).toMatchObject({
        message_count: 2,
        last_position: '2',
        last_message_preview: '👋'.repeat(280),
        last_message_at: rows[1]?.created_at,
        version: 3,
        xmin: String(result.txid),
      })
    })

    test('a timeline event', async () => {
      await fixture.write(ada, insertSession('s2'))
      const result = await fixture.write(ada, insertEvent('s2', 0, { data: { a: [null] } }))
      expect(result.mutations).toEqual([
        { collection: 'timelineEvents', type: 'insert', id: 's2-0', version: null },
      ])
      expect(await fixture.rows('SELECT data, seq FROM timeline_events')).toEqual([
        { data: { a: [null] }, seq: 0 },
      ])
    })
  })

  describe('updates and deletes', () => {
    test('an update changes the given properties and the version', async () => {
      await fixture.write(ada, insertSession('u1', { repoLabel: 'old', metadata: { a: 1 } }))
      const changes = { title: 'New', repoLabel: null, metadata: { b: 2 } }
      const result = await fixture.write(ada, {
        collection: 'sessions',
        type: 'update',
        id: 'u1',
        changes,
        expectedVersion: 1,
      })
      expect(result.mutations[0]).toMatchObject({ version: 2 })
      const [row] = await fixture.rows('SELECT * FROM sessions WHERE id = $1', ['u1'])
      expect(row).toMatchObject({ title: 'New', repo_label: null, metadata: { b: 2 }, version: 2 })
      expect(row?.updated_at).not.toEqual(row?.created_at)
    })

    test('an empty update still changes the row', async () => {
      await fixture.write(ada, insertSession('u2'))
      const result = await fixture.write(ada, {
        collection: 'sessions',
        type: 'update',
        id: 'u2',
        changes: {},
      })
      expect(result.txid).not.toBeNull()
      expect(result.mutations[0]?.version).toBe(2)
    })

    test('an update that leaves a timeline event unchanged has no txid', async () => {
      await fixture.write(ada, insertSession('u3'), insertEvent('u3', 0, { title: 'same' }))
      const update = (changes: object) =>
        fixture.write(ada, { collection: 'timelineEvents', type: 'update', id: 'u3-0', changes })
      expect((await update({ title: 'same', data: {} })).txid).toBeNull()
      expect((await update({})).txid).toBeNull()
      expect((await update({ title: 'other' })).txid).not.toBeNull()
    })

    test('an outdated expectedVersion is a conflict with the current version', async () => {
      await fixture.write(ada, insertSession('u4'))
      const mutation = { collection: 'sessions', id: 'u4', expectedVersion: 7 } as const
      const refused = {
        code: 'conflict',
        details: { mutation: 0, collection: 'sessions', currentVersion: 1 },
      }
      const update = { ...mutation, type: 'update', changes: { title: 'x' } } as const
      expect(await refusalOf(fixture.write(ada, update))).toMatchObject(refused)
      const remove = { ...mutation, type: 'delete' } as const
      expect(await refusalOf(fixture.write(ada, remove))).toMatchObject(refused)
      expect(await fixture.rows("SELECT title, version FROM sessions WHERE id = 'u4'")).toEqual([
        { title: 'Session u4', version: 1 },
      ])
    })

    test('expectedVersion on a timeline event is invalid', async () => {
      const mutation = { collection: 'timelineEvents', type: 'delete', id: 'x' } as const
      // @ts-expect-error rejected by the types, too
      const refusal = await refusalOf(fixture.write(ada, { ...mutation, expectedVersion: 1 }))
      expect(refusal).toMatchObject({
        code: 'invalid',
        details: { issues: [{ path: 'mutations[0].expectedVersion' }] },
      })
    })

    test('deleting a session deletes everything in it', async () => {
      await fixture.write(
        ada,
        insertSession('d1'),
        insertEvent('d1', 0),
        insertThread('d1', 'dt1'),
        insertMessage('dt1', 'dm1'),
      )
      const result = await fixture.write(ada, { collection: 'sessions', type: 'delete', id: 'd1' })
      expect(result).toMatchObject({ txid: expect.any(Number), mutations: [{ version: null }] })
      for (const table of ['timeline_events', 'chat_threads', 'chat_messages']) {
        expect(await fixture.rows(`SELECT FROM ${table} WHERE session_id = 'd1'`)).toEqual([])
      }
    })

    test('deleting the newest message restores the previous preview and does not free its position', async () => {
      await fixture.write(ada, insertSession('d2'), insertThread('d2', 'dt2'))
      for (const id of ['a', 'b', 'c']) await fixture.write(ada, insertMessage('dt2', `d2-${id}`))
      await fixture.write(ada, { collection: 'chatMessages', type: 'delete', id: 'd2-c' })
      const thread = () =>
        fixture.rows(
          `SELECT message_count, last_message_preview, last_position FROM chat_threads WHERE id = 'dt2'`,
        )
      expect(await thread()).toEqual([
        { message_count: 2, last_message_preview: 'Message d2-b', last_position: '3' },
      ])
      await fixture.write(ada, insertMessage('dt2', 'd2-d'))
      expect(await thread()).toEqual([
        { message_count: 3, last_message_preview: 'Message d2-d', last_position: '4' },
      ])
    })

    test('only an edit of the newest message changes the preview', async () => {
      await fixture.write(ada, insertSession('d3'), insertThread('d3', 'dt3'))
      for (const id of ['a', 'b']) await fixture.write(ada, insertMessage('dt3', `d3-${id}`))
      const edit = (id: string, content: string) =>
        fixture.write(ada, { collection: 'chatMessages', type: 'update', id, changes: { content } })
      await edit('d3-a', 'edited a')
      await edit('d3-b', 'edited b')
      await edit('d3-a', 'edited again')
      const [thread] = await fixture.rows("SELECT * FROM chat_threads WHERE id = 'dt3'")
      expect(thread).toMatchObject({
        last_message_preview: 'edited b',
        message_count: 2,
        version: 4,
      })
    })
  })

  describe('duplicates', () => {
    test('a used id is a conflict with the same message whoever owns the row', async () => {
      await fixture.write(ada, insertSession('private'), insertThread('private', 'private-thread'))
      await fixture.write(bob, insertSession('own'))
      const own = await refusalOf(fixture.write(bob, insertSession('own')))
      const hidden = await refusalOf(fixture.write(bob, insertSession('private')))
      expect(own.code).toBe('conflict')
      expect(hidden).toEqual(own)
      const thread = await refusalOf(fixture.write(bob, insertThread('own', 'private-thread')))
      expect(thread).toEqual(own)
    })

    test('a used seq is a conflict', async () => {
      await fixture.write(ada, insertSession('q1'), insertEvent('q1', 0))
      const again = insertEvent('q1', 0, { id: 'another' })
      expect(await refusalOf(fixture.write(ada, again))).toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('seq'),
      })
    })

    test('a repeated clientMessageId stores nothing and returns the stored message', async () => {
      await fixture.write(ada, insertSession('c1'), insertThread('c1', 'ct1'))
      const first = await fixture.write(ada, insertMessage('ct1', 'cm1', { clientMessageId: 'k' }))
      expect(first.txid).not.toBeNull()
      const again = await fixture.write(ada, insertMessage('ct1', 'cm2', { clientMessageId: 'k' }))
      const [stored] = first.mutations
      expect(again).toMatchObject({ txid: null, mutations: [{ ...stored, unchanged: true }] })
      const sameId = await fixture.write(ada, insertMessage('ct1', 'cm1', { clientMessageId: 'k' }))
      expect(sameId).toMatchObject({ txid: null, mutations: [{ id: 'cm1' }] })
      expect(await fixture.rows("SELECT id FROM chat_messages WHERE thread_id = 'ct1'")).toEqual([
        { id: 'cm1' },
      ])
    })

    test('a clientMessageId may be used in several threads', async () => {
      await fixture.write(ada, insertSession('c2'), insertThread('c2', 'ct2'))
      await fixture.write(ada, insertThread('c2', 'ct3', { mode: 'general' }))
      await fixture.write(ada, insertMessage('ct2', 'cm4', { clientMessageId: 'k' }))
      const other = await fixture.write(ada, insertMessage('ct3', 'cm5', { clientMessageId: 'k' }))
      expect(other).toMatchObject({ mutations: [{ id: 'cm5' }] })
    })

    test('twenty concurrent sends of one clientMessageId store one message', async () => {
      await fixture.write(ada, insertSession('c3'), insertThread('c3', 'ct4'))
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          fixture.write(ada, insertMessage('ct4', `cm-${index}`, { clientMessageId: 'k' })),
        ),
      )
      const stored = await fixture.rows("SELECT id FROM chat_messages WHERE thread_id = 'ct4'")
      expect(stored).toHaveLength(1)
      expect(new Set(results.map((result) => result.mutations[0]?.id))).toEqual(
        new Set([stored[0]?.id]),
      )
      expect(results.filter((result) => result.txid !== null)).toHaveLength(1)
    })
  })

  describe('batches of several mutations', () => {
    test('have one txid', async () => {
      const result = await fixture.write(
        ada,
        insertSession('b1'),
        insertThread('b1', 'bt1'),
        insertMessage('bt1', 'bm1'),
        { collection: 'chatThreads', type: 'update', id: 'bt1', changes: { title: 'Renamed' } },
      )
      expect(result.mutations.map((mutation) => mutation.version)).toEqual([1, 1, 1, 3])
      const xmins = await fixture.rows(
        `SELECT xmin::text FROM sessions WHERE id = 'b1' UNION ALL
       SELECT xmin::text FROM chat_threads WHERE id = 'bt1' UNION ALL
       SELECT xmin::text FROM chat_messages WHERE id = 'bm1'`,
      )
      expect(xmins).toEqual(Array(3).fill({ xmin: String(result.txid) }))
    })

    test('write nothing when the last mutation fails, and report which one failed', async () => {
      const batch = {
        id: 'half',
        mutations: [
          insertSession('b2'),
          insertThread('b2', 'bt2'),
          insertMessage('bt2', 'bm2'),
          insertMessage('no-such-thread', 'bm3'),
        ],
      }
      expect(await refusalOf(fixture.store.write(ada, batch))).toMatchObject({
        code: 'not_found',
        details: { mutation: 3, collection: 'chatMessages' },
      })
      expect(await fixture.rows("SELECT FROM sessions WHERE id = 'b2'")).toEqual([])
      expect(await fixture.rows("SELECT FROM applied_batches WHERE batch_id = 'half'")).toEqual([])
      const repaired = { ...batch, mutations: batch.mutations.slice(0, 3) }
      expect((await fixture.store.write(ada, repaired)).mutations).toHaveLength(3)
    })

    test('write nothing when the database rejects a mutation', async () => {
      const taken = [insertSession('b3'), insertSession('b4'), insertSession('b3')]
      expect((await refusalOf(fixture.write(ada, ...taken))).code).toBe('conflict')
      expect(await fixture.rows("SELECT FROM sessions WHERE id IN ('b3', 'b4')")).toEqual([])
    })

    test('have no txid when nothing changed', async () => {
      await fixture.write(ada, insertSession('b5'), insertEvent('b5', 0), insertEvent('b5', 1))
      const nothing = (id: string) =>
        ({
          collection: 'timelineEvents',
          type: 'update',
          id,
          changes: { kind: 'message' },
        }) as const
      const result = await fixture.write(ada, nothing('b5-0'), nothing('b5-1'))
      expect(result.txid).toBeNull()
    })
  })
})
