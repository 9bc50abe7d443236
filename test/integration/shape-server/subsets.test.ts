import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ShapeFixture, startFixture } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(`
    CREATE TABLE rooms (id text PRIMARY KEY, open bool);
    CREATE TABLE notes (id text PRIMARY KEY, room text, n int);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE moods (id text PRIMARY KEY, m mood);
    CREATE TABLE members (id text PRIMARY KEY, roles text[], levels int[]);
    INSERT INTO members VALUES ('a', '{admin}', '{1,2}'), ('b', '{viewer}', '{3}'), ('c', NULL, NULL), ('d', '{NULL}', '{NULL}');
    INSERT INTO rooms VALUES ('r1', true), ('r2', false);
    INSERT INTO notes VALUES ('a', 'r1', 1), ('b', 'r1', 2), ('c', 'r2', 3)`)
})
afterAll(() => fixture?.close())

interface Answer {
  readonly headers: {
    readonly tags?: string[]
    readonly active_conditions?: boolean[]
    readonly event?: string
    readonly patterns?: { pos: number; value: string }[]
  }
  readonly value?: { id: string }
}

test("a subset's rows carry the tags by which they move out", async () => {
  const shape = {
    table: 'notes',
    where: 'n > 0 AND room IN (SELECT id FROM rooms WHERE open)',
    log: 'changes_only',
  }
  const subset = await fixture.get({ ...shape, offset: 'now', subset__where: 'n > 1' })
  const { data } = (await subset.json()) as { data: Answer[] }
  expect(data.map(({ value, headers }) => [value?.id, headers.active_conditions])).toEqual([
    ['b', [true, true]],
  ])
  const handle = subset.headers.get('electric-handle') ?? ''
  const offset = subset.headers.get('electric-offset') ?? ''
  const live = fixture.get({ ...shape, handle, offset, live: 'true' })
  await fixture.sql.query(`UPDATE rooms SET open = false WHERE id = 'r1'`)
  const [event] = (await (await live).json()) as Answer[]
  expect(event?.headers.event).toBe('move-out')
  const { pos, value } = event?.headers.patterns?.[0] ?? { pos: -1, value: '' }
  expect(data[0]?.headers.tags?.[0]?.split('/')[pos]).toBe(value)
})

test.each([
  [{ subset__where: "m = 'glad'" }],
  [{ subset__where: 'm = ANY($1)', subset__params: '{"1":"{ok,glad}"}' }],
])(
  "rejects a text that is not a value of its type, with Postgres's message: %j",
  async (subset) => {
    const refused = await fixture.get({ table: 'moods', offset: '-1', ...subset })
    expect([refused.status, await refused.json()]).toEqual([
      400,
      {
        message: 'Invalid request',
        errors: { subset: { where: 'invalid input value for enum mood: "glad"' } },
      },
    ])
    expect(fixture.trouble).toEqual([])
  },
)

// Written as different versions of TanStack DB test a list for a value. A parameter has the type of its first use.
test.each([
  ['$1 = ANY("roles")', 'admin', ['a']],
  ['$1 = ANY("levels")', '2', ['a']],
  ['NOT ($1 = ANY("roles"))', 'admin', ['b']],
  ['$1 = ANY("levels") AND "levels" @> ARRAY[$1] AND "levels" IS NOT NULL', '2', ['a']],
  [
    'NOT ($1 = ANY("roles") AND "roles" @> ARRAY[$1] AND "roles" IS NOT NULL)',
    'admin',
    ['b', 'c', 'd'],
  ],
  ['($1 = ANY("levels") OR TRUE) AND "levels" @> ARRAY[$1] AND "levels" IS NOT NULL', '3', ['b']],
])('%s with %s finds %j', async (where, value, expected) => {
  const subset = await fixture.get({
    table: 'members',
    log: 'changes_only',
    offset: 'now',
    subset__where: where,
    subset__params: JSON.stringify({ 1: value }),
    subset__order_by: '"id" NULLS LAST',
  })
  const { data } = (await subset.json()) as { data: Answer[] }
  expect(data.map((row) => row.value?.id)).toEqual(expected)
})

test('deletes nothing for a handle of another definition', async () => {
  const shape = { table: 'notes', where: 'n > 0' }
  const snapshot = await fixture.get({ ...shape, offset: '-1' })
  const handle = snapshot.headers.get('electric-handle')
  const remove = (given: string) => {
    const query = new URLSearchParams({ ...shape, handle: given })
    return fetch(`${fixture.url}?${query}`, { method: 'DELETE' })
  }
  const refused = await remove('1-2')
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { message: expect.stringContaining('definition and handle do not match') },
  ])
  expect((await remove(handle ?? '')).status).toBe(202)
  expect((await remove(handle ?? '')).status).toBe(404)
})
