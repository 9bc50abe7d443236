import { isChangeMessage, Shape, ShapeStream } from '@electric-sql/client'
import { createCollection } from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ShapeFixture, startFixture, until } from './fixture.ts'

let fixture: ShapeFixture
const stop = new AbortController()

beforeAll(async () => {
  fixture = await startFixture(`
    CREATE TABLE items (id int PRIMARY KEY, title text, n int8);
    INSERT INTO items VALUES (1, 'one', 1), (2, 'two', 9007199254740993);
    CREATE TABLE sessions (tenant_id text, id text, owner_id text, visibility text, PRIMARY KEY (tenant_id, id));
    CREATE TABLE messages (tenant_id text, id text, session_id text, body text, PRIMARY KEY (tenant_id, id));
    INSERT INTO sessions VALUES ('t1', 's1', 'bob', 'tenant'), ('t2', 's1', 'eve', 'tenant');
    INSERT INTO messages VALUES ('t1', 'm1', 's1', 'hello'), ('t2', 'm1', 's1', 'foreign');`)
})

afterAll(async () => {
  stop.abort()
  await fixture?.close()
})

test("Electric's Shape follows inserts, updates, key changes, deletes and TRUNCATE", async () => {
  type Item = { id: number; title: string; n: bigint }
  const stream = new ShapeStream<Item>({
    url: fixture.url,
    params: { table: 'items' },
    signal: stop.signal,
  })
  // The client's own types disagree with each other under exactOptionalPropertyTypes.
  const shape = new Shape(stream as ConstructorParameters<typeof Shape<Item>>[0])
  const rows = async () => (await shape.rows).map(({ id, title }) => `${id}:${title}`).sort()
  const become = (...expected: string[]) =>
    until(`the rows are ${expected}`, async () => `${await rows()}` === `${expected}`)

  await become('1:one', '2:two')
  expect((await shape.rows).find((row) => row.id === 2)?.n).toBe(9007199254740993n)
  await fixture.sql.query("INSERT INTO items VALUES (3, 'three', 3)")
  await become('1:one', '2:two', '3:three')
  await fixture.sql.query("UPDATE items SET title = 'TWO' WHERE id = 2")
  await become('1:one', '2:TWO', '3:three')
  await fixture.sql.query('UPDATE items SET id = 4 WHERE id = 3; DELETE FROM items WHERE id = 1')
  await become('2:TWO', '4:three')
  await fixture.sql.query('TRUNCATE items')
  await become()
})

test('a where clause takes int8 parameters beyond 2^53', async () => {
  await fixture.sql.query("INSERT INTO items VALUES (20, 'big', 9007199254740993)")
  const stream = new ShapeStream({
    url: fixture.url,
    params: { table: 'items', where: 'n = $1', params: ['9007199254740993'] },
    subscribe: false,
    signal: stop.signal,
  })
  const ids: unknown[] = []
  await new Promise<void>((resolve) =>
    stream.subscribe((messages) => {
      for (const message of messages) if (isChangeMessage(message)) ids.push(message.value.id)
      if (stream.isUpToDate) resolve()
    }),
  )
  expect(ids).toContain(20)
})

test('a TanStack collection follows a revocation and a grant, and sees the txids', async () => {
  const collection = createCollection(
    electricCollectionOptions<{ tenant_id: string; id: string; session_id: string; body: string }>({
      id: 'messages-of-s1',
      getKey: (row) => row.id,
      shapeOptions: {
        url: fixture.url,
        params: {
          table: 'messages',
          where: `tenant_id = $1 AND session_id = $2 AND session_id IN
            (SELECT id FROM sessions WHERE tenant_id = $1 AND (owner_id = $3 OR visibility = 'tenant'))`,
          params: ['t1', 's1', 'ann'],
        },
        signal: stop.signal,
      },
    }),
  )
  await collection.preload()
  const bodies = () => collection.toArray.map((row) => row.body).sort()
  expect(bodies()).toEqual(['hello'])

  const txid = await commit("INSERT INTO messages VALUES ('t1', 'm2', 's1', 'live')")
  await collection.utils.awaitTxId(txid, 5000)
  expect(bodies()).toEqual(['hello', 'live'])

  await commit("UPDATE sessions SET visibility = 'private' WHERE tenant_id = 't1'")
  await until('all rows have moved out', () => collection.size === 0)
  await commit("UPDATE messages SET body = 'edited' WHERE tenant_id = 't1' AND id = 'm1'")
  const granted = await commit("UPDATE sessions SET visibility = 'tenant' WHERE tenant_id = 't1'")
  await collection.utils.awaitTxId(granted, 5000)
  await until('the rows are back', () => collection.size === 2)
  expect(bodies()).toEqual(['edited', 'live'])
})

async function commit(sql: string): Promise<number> {
  await fixture.sql.query('BEGIN')
  const { rows } = await fixture.sql.query('SELECT pg_current_xact_id()::xid::text AS txid')
  await fixture.sql.query(sql)
  await fixture.sql.query('COMMIT')
  return Number(rows[0].txid)
}
