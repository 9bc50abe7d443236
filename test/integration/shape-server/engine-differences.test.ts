import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type ShapeFixture, startFixture } from './fixture.ts'

// Behaviour of the engine (1.7.12) that Postgres or HTTP alone would not suggest.

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(
    `CREATE TABLE items (id int PRIMARY KEY, i int);
    INSERT INTO items VALUES (1, 1), (2, 2);
    CREATE TABLE doubled (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
    INSERT INTO doubled (id, n) VALUES (1, 5);
    CREATE TABLE virtual (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL);
    CREATE TABLE teams (id int PRIMARY KEY, active bool);
    CREATE TABLE members (id int PRIMARY KEY, team int);
    CREATE TABLE notes (id int PRIMARY KEY, author int);
    INSERT INTO teams VALUES (1, false);
    INSERT INTO members VALUES (1, 1);
    INSERT INTO notes VALUES (1, 1)`,
    { cacheMaxAge: 7, cacheStaleAge: 11 },
  )
})
afterAll(() => fixture?.close())

async function refusal(query: Record<string, string>) {
  const response = await fixture.get({ offset: '-1', ...query })
  return [response.status, await response.json()]
}

test('refuses constants that cannot be computed', async () => {
  const message = 'At location 0: Failed to apply function to constant arguments'
  const where = 'i = 1 OR i = 1/0'
  expect(await refusal({ table: 'items', where })).toMatchObject([
    400,
    { errors: { where: [message] } },
  ])
  expect(await refusal({ table: 'items', subset__where: where })).toMatchObject([
    400,
    { errors: { subset: { where: [message] } } },
  ])
  expect(fixture.trouble).toEqual([])
})

test('accepts integers among the columns of a subset’s order, and ignores them', async () => {
  const order = { subset__order_by: 'id DESC, 1', subset__limit: '1' }
  const subset = await fixture.get({ table: 'items', offset: '-1', ...order })
  const { data } = await subset.json()
  expect(data.map(({ value }: { value: { id: string } }) => value.id)).toEqual(['2'])
})

test('refuses a subset’s condition of more than 65,536 bytes', async () => {
  const ask = async (where: string) => {
    const body = JSON.stringify({ where })
    const response = await fetch(`${fixture.url}?table=items&offset=-1`, { method: 'POST', body })
    return [response.status, await response.json()]
  }
  const padded = (bytes: number) => `i = 1 ${' '.repeat(bytes - 8)}--`
  expect(await ask(padded(65_536))).toMatchObject([200, {}])
  expect(await ask(padded(65_537))).toMatchObject([
    400,
    { errors: { subset: { where: [/65536/] } } },
  ])
})

test.each(['/v1//shape', '//v1/shape/', '/v1/%73hape'])(
  'answers under the path %s',
  async (path) => {
    const { origin } = new URL(fixture.url)
    const response = await fetch(`${origin}${path}?table=items&offset=-1`)
    expect(response.headers.get('electric-handle')).not.toBeNull()
  },
)

test('serves stored generated columns with Postgres 18, and refuses virtual ones', async () => {
  const first = await fixture.get({ table: 'doubled', offset: '-1' })
  const [row] = await first.json()
  expect(row.value).toEqual({ id: '1', n: '5', twice: '10' })
  const handle = first.headers.get('electric-handle') ?? ''
  const live = fixture.get({ table: 'doubled', handle, offset: '0_inf', live: 'true' })
  await fixture.sql.query('UPDATE doubled SET n = 6')
  expect((await (await live).json())[0].value).toEqual({ id: '1', n: '6', twice: '12' })
  expect(await refusal({ table: 'virtual' })).toMatchObject([400, { errors: {} }])
})

test('refuses stored generated columns when told to, as the engine does with older versions', async () => {
  const older = await startFixture(
    'CREATE TABLE doubled (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)',
    { generatedColumns: false },
  )
  onTestFinished(older.close)
  const response = await older.get({ table: 'doubled', offset: '-1' })
  expect([response.status, await response.text()]).toEqual([
    400,
    expect.stringContaining('generated and cannot be included in the shape: twice'),
  ])
})

test('gives no txid for moves that other moves have caused', async () => {
  const shape = {
    table: 'notes',
    where: 'author IN (SELECT id FROM members WHERE team IN (SELECT id FROM teams WHERE active))',
  }
  const first = await fixture.get({ ...shape, offset: '-1' })
  const handle = first.headers.get('electric-handle') ?? ''
  const poll = async (offset: string) => {
    const live = await fixture.get({ ...shape, handle, offset, live: 'true' })
    const messages = (await live.json()) as {
      headers: { event?: string; txids?: number[] }
    }[]
    const events = messages.flatMap(({ headers }) => (headers.event ? [headers] : []))
    return { events, offset: live.headers.get('electric-offset') ?? '' }
  }
  const nested = poll('0_inf')
  await fixture.sql.query('UPDATE teams SET active = true')
  const { events, offset } = await nested
  expect(events).toMatchObject([{ event: 'move-in', txids: [] }])
  const direct = poll(offset)
  await fixture.sql.query('INSERT INTO members VALUES (2, 1)')
  expect((await direct).events).toMatchObject([{ event: 'move-in', txids: [expect.any(Number)] }])
})

test('takes cache times as options', async () => {
  const first = await fixture.get({ table: 'items', offset: '-1' })
  const handle = first.headers.get('electric-handle') ?? ''
  const page = await fixture.get({ table: 'items', handle, offset: '0_inf' })
  expect(page.headers.get('cache-control')).toBe('public, max-age=7, stale-while-revalidate=11')
})
