import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ShapeFixture, startFixture, until } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(
    `CREATE SCHEMA app;
     CREATE TYPE mood AS ENUM ('sad', 'ok');
     CREATE DOMAIN positive AS int CHECK (value > 0);
     CREATE TABLE kinds (id int PRIMARY KEY, m mood, d positive, grid int[][], f float8, n numeric, u uuid);
     INSERT INTO kinds VALUES (1, 'ok', 5, '{{1,2},{3,4}}', 'Infinity', 'NaN', NULL);
     CREATE TABLE names (id int PRIMARY KEY, v text);
     INSERT INTO names VALUES (1, 'in public');
     CREATE TABLE app.names (id int PRIMARY KEY, v text);
     INSERT INTO app.names VALUES (1, 'in app');
     CREATE TABLE parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
     CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (10);
     CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (10) TO (20);
     INSERT INTO parts VALUES (1, 1, 'a'), (2, 11, 'b');
     CREATE TABLE doubled (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
     CREATE TABLE ranked (id int PRIMARY KEY, a int);
     INSERT INTO ranked VALUES (1, 3), (2, NULL), (3, 2), (4, NULL), (5, 1);`,
    { longPollMs: 500, generatedColumns: false },
  )
})

afterAll(() => fixture?.close())

async function idsOf(query: Record<string, string>): Promise<string[]> {
  const response = await fixture.get({ offset: '-1', ...query })
  const body = await response.json()
  if (response.status !== 200) throw new Error(JSON.stringify(body))
  const messages = (Array.isArray(body) ? body : body.data) as { value?: { id: string } }[]
  return messages.flatMap(({ value }) => value?.id ?? [])
}

test.each([
  "m::text = 'ok'",
  'd = 5',
  'd > 4 AND d < 6',
  'f > 1e300',
  "grid = '{{1,2},{3,4}}'",
  'grid[1][2] = 2',
  'id = ANY(ARRAY[1, 2])',
  "id::text LIKE '1%'",
  'u IS NULL OR id = 7',
])('supports the condition %s', async (where) => {
  expect(await idsOf({ table: 'kinds', where })).toEqual(['1'])
})

test('serves infinite and undefined numbers, but rejects them as literals, like the engine', async () => {
  const read = await fixture.get({ table: 'kinds', columns: 'id,f,n', offset: '-1' })
  const [row] = (await read.json()) as { value: Record<string, string> }[]
  expect(row?.value).toEqual({ id: '1', f: 'Infinity', n: 'NaN' })
  await expect(idsOf({ table: 'kinds', where: "f = 'Infinity'" })).rejects.toThrow(
    'At location 4: invalid syntax for type float8: Infinity',
  )
})

test('rejects a bare enum comparison like the engine, but accepts it in a subset', async () => {
  await expect(idsOf({ table: 'kinds', where: "m = 'ok'" })).rejects.toThrow(
    'At location 4: invalid syntax for type enum mood: ok',
  )
  expect(await idsOf({ table: 'kinds', subset__where: "m = 'ok'" })).toEqual(['1'])
})

test('looks up an unqualified table in public', async () => {
  const readValue = async (table: string) =>
    (await (await fixture.get({ table, offset: '-1' })).json())[0].value.v
  expect(await readValue('names')).toBe('in public')
  expect(await readValue('app.names')).toBe('in app')
})

test('serves a partitioned table as one shape, across partitions', async () => {
  const first = await fixture.get({ table: 'parts', offset: '-1' })
  const handle = first.headers.get('electric-handle') ?? ''
  await first.text()
  await fixture.sql.query(
    "UPDATE parts SET k = 12 WHERE id = 1; INSERT INTO parts VALUES (5, 5, 'n')",
  )
  await until('the changes of both partitions are there', async () => {
    const response = await fixture.get({ table: 'parts', handle, offset: '0_inf' })
    const text = await response.text()
    return text.includes('\\"1\\"/\\"12\\"') && text.includes('\\"5\\"/\\"5\\"')
  })
})

test('keyset pages in NULLS FIRST order return every row once', async () => {
  const page = (where: string) =>
    idsOf({
      table: 'ranked',
      log: 'changes_only',
      subset__where: where,
      subset__order_by: 'a DESC NULLS FIRST, id',
      subset__limit: '2',
    })
  expect(await page('true')).toEqual(['2', '4'])
  expect(await page('a IS NOT NULL')).toEqual(['1', '3'])
  expect(await page('a < 2')).toEqual(['5'])
})

test.each([
  ['nope', 'The list of columns must include all primary key columns, missing: id'],
  ['id,nope,twice', 'The following columns are not found on the table: nope'],
  ['id,twice', 'The following columns are generated and cannot be included in the shape: twice'],
])('reports one fault of the columns %s, like the engine', async (columns, fault) => {
  const refused = await fixture.get({ table: 'doubled', columns, offset: '-1' })
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { message: 'Invalid request', errors: { columns: [fault] } },
  ])
})
