import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'

let byDefault: StoreFixture
let strict: StoreFixture

beforeAll(async () => {
  byDefault = await startStore()
  strict = await startStore({
    limits: { maxMessageBytes: 20, maxBatchBytes: 600, maxMutations: 3 },
  })
  for (const { write } of [byDefault, strict]) {
    await write(ada, insertSession('s'), insertThread('s', 't'))
  }
})
afterAll(async () => {
  await byDefault.close()
  await strict.close()
})

function editMessage(id: string, changes: { content?: string; parts?: string[] }): MutationInput {
  return { collection: 'chatMessages', type: 'update', id, changes }
}

describe('the size of a message', () => {
  test('may be 1 MiB, and not one byte more', async () => {
    const most = 'x'.repeat(1024 * 1024)
    await byDefault.write(ada, insertMessage('t', 'most', { content: most }))
    const refused = refusalOf(
      byDefault.write(ada, insertMessage('t', 'more', { content: `${most}x` })),
    )
    expect(await refused).toEqual({
      code: 'too_large',
      message:
        'mutations[0]: 1048577 bytes are more than the 1048576 allowed (maxMessageBytes). ' +
        'Send less at once.',
      details: { mutation: 0, limit: 1048576, size: 1048577, name: 'maxMessageBytes' },
    })
    expect(await byDefault.rows('SELECT id FROM chat_messages')).toEqual([{ id: 'most' }])
  })

  test('counts UTF-8 bytes of content and parts together', async () => {
    await strict.write(ada, insertMessage('t', 'm1', { content: '👋👋👋👋', parts: [1] }))
    const over = { content: '👋👋👋👋', parts: [1, 2] }
    expect(
      (await refusalOf(strict.write(ada, insertMessage('t', 'm2', over)))).details,
    ).toMatchObject({
      size: 21,
      limit: 20,
    })
    const write = strict.write(ada, editMessage('m1', { parts: ['👋'.repeat(5)] }))
    expect(await refusalOf(write)).toMatchObject({ code: 'too_large', details: { size: 24 } })
  })

  test('is reported with the mutation', async () => {
    const write = strict.write(
      ada,
      insertSession('x'),
      editMessage('m1', { content: 'x'.repeat(21) }),
    )
    expect((await refusalOf(write)).details).toMatchObject({ mutation: 1 })
    expect(await strict.rows("SELECT FROM sessions WHERE id = 'x'")).toEqual([])
  })
})

describe('the size of a batch', () => {
  test('is limited in bytes', async () => {
    const write = strict.write(ada, insertSession('big', { metadata: { text: 'x'.repeat(600) } }))
    expect(await refusalOf(write)).toMatchObject({
      code: 'too_large',
      details: { name: 'maxBatchBytes', limit: 600 },
    })
  })

  test('is limited in mutations', async () => {
    const write = strict.write(ada, ...[1, 2, 3, 4].map((index) => insertEvent('s', index)))
    expect(await refusalOf(write)).toMatchObject({
      code: 'too_large',
      details: { name: 'maxMutations', limit: 3, size: 4 },
    })
  })
})

describe('rejects an invalid batch', () => {
  const invalid: Record<string, [unknown, string]> = {
    'no object': ['text', ''],
    'an unknown collection': [
      { collection: 'users', type: 'delete', id: 'x' },
      'mutations[0].collection',
    ],
    'an unknown column': [
      { collection: 'sessions', type: 'update', id: 'x', changes: { owner_id: 'me' } },
      'mutations[0].changes',
    ],
    'a column of the server': [
      { collection: 'sessions', type: 'insert', value: { id: 'x', title: 'x', ownerId: 'me' } },
      'mutations[0].value',
    ],
    'a NUL': [insertSession('x', { repoLabel: 'a\0b' }), 'mutations[0].value.repoLabel'],
    'a number beyond its column': [insertEvent('s', 2 ** 31), 'mutations[0].value.seq'],
  }
  test.each(Object.keys(invalid))('%s', async (name) => {
    const [mutation, path] = invalid[name] ?? []
    const batch = name === 'no object' ? mutation : { id: 'invalid', mutations: [mutation] }
    expect(await refusalOf(byDefault.store.write(ada, batch))).toMatchObject({
      code: 'invalid',
      details: { issues: [{ path }] },
    })
  })

  test('with a date beyond the range of Postgres', async () => {
    const startedAt = new Date(8.64e15)
    const refused = await refusalOf(byDefault.write(ada, insertSession('far', { startedAt })))
    expect(refused.code).toBe('invalid')
    expect(refused.message).not.toMatch(/275760|date\/time field/)
    expect(await byDefault.rows("SELECT FROM sessions WHERE id = 'far'")).toEqual([])
  })
})

test.each([1, 2])('cancels a write of %s mutations after the statement timeout', async (count) => {
  const store = createSessionStore({ database: byDefault.url, statementTimeoutMs: 100 })
  await byDefault.rows(`
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION slow()`)
  const mutations = Array.from({ length: count }, (_, n) => insertSession(`slow-${count}-${n}`))
  const refused = await refusalOf(store.write(ada, { id: `slow-${count}`, mutations }))
  await byDefault.rows('DROP FUNCTION slow CASCADE')
  await store.close()
  expect(refused.code).toBe('too_large')
})

test('stores texts that look like SQL unchanged', async () => {
  const id = `'; DROP TABLE sessions; -- $1 \\ "`
  await byDefault.write(ada, insertSession(id, { title: id, metadata: { [id]: id } }))
  expect(await byDefault.rows('SELECT title, metadata FROM sessions WHERE id = $1', [id])).toEqual([
    { title: id, metadata: { [id]: id } },
  ])
})
