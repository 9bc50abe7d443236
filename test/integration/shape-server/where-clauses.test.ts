import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ShapeFixture, startFixture } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(`
    CREATE TABLE things (
      id int PRIMARY KEY, n int, ok bool, born date, seen timestamptz, words text[]);
    INSERT INTO things VALUES
      (1, 1, true, '2024-02-29', '2024-01-01T00:00:00Z', '{red,blue}'),
      (2, 2, false, NULL, NULL, '{green}')`)
})
afterAll(() => fixture?.close())

async function ask(where: string, params: readonly string[] = []): Promise<string | string[]> {
  const given = params.map((value, index) => [`params[${index + 1}]`, value])
  const answer = await fixture.get({
    table: 'things',
    columns: 'id',
    offset: '-1',
    where,
    ...Object.fromEntries(given),
  })
  const body = (await answer.json()) as
    | { errors: { where: string[] } }
    | { value?: { id: string } }[]
  if ('errors' in body) return body.errors.where[0] ?? ''
  return body.flatMap(({ value }) => (value ? [value.id] : []))
}

test.each([
  ['words[n] = $1', ['red'], ['1']],
  ['words[n:2] = $1', ['{red,blue}'], ['1']],
  ['words[$1] = $2', ['1', 'green'], ['2']],
  ['n::bool AND NOT 0::bool', [], ['1', '2']],
  ['born = $1', ['2024-02-29'], ['1']],
  ['seen < $1', ['2024-01-01T01:30:00+01:00'], ['1']],
  ['ok = $1', ['tru'], ['1']],
])('%s with %s selects %s', async (where, params, ids) => {
  expect(await ask(where, params)).toEqual(ids)
})

test.each([
  ['born > $1', ['2024-13-01'], 'At location 7: invalid syntax for type date: 2024-13-01'],
  ['born > $1', ['2023-02-29'], 'At location 7: invalid syntax for type date: 2023-02-29'],
  ['ok = $1', ['yes'], 'At location 5: invalid syntax for type bool: yes'],
  ['n = $1', [' 1'], 'At location 4: invalid syntax for type int4:  1'],
  ['words[ok] = $1', ['red'], 'At location 6: bool cannot be matched to int8'],
  ["'true'", [], 'WHERE clause must return a boolean'],
  ['NULL', [], 'WHERE clause must return a boolean'],
  ['n = 1 UNION SELECT 1', [], 'malformed query ending with SQL clauses'],
])('%s with %s is rejected: %s', async (where, params, message) => {
  expect(await ask(where, params)).toBe(message)
})

test('rejects a subset with a subquery', async () => {
  const answer = await fixture.get({
    table: 'things',
    offset: '-1',
    subset__where: 'id IN (SELECT id FROM things)',
  })
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { errors: { subset: { where: ['Subqueries are not allowed in subsets'] } } },
  ])
})
