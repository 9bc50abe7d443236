import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ShapeFixture, startFixture, until } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(`
    CREATE TABLE items (id int PRIMARY KEY, title text NOT NULL);
    CREATE TABLE keyless (id int NOT NULL, title text)`)
})
afterAll(() => fixture?.close())

async function join(table: string) {
  const response = await fixture.get({ table, offset: '-1' })
  await response.text()
  return response.headers.get('electric-handle') ?? ''
}

/** Inserts a row and waits until the shape has it. The stream announces a table with its first change. */
async function write(table: string, handle: string, id: number) {
  const poll = fixture.get({ table, handle, offset: '0_inf', live: 'true' })
  await fixture.sql.query(`INSERT INTO ${table} VALUES (${id}, 'written')`)
  expect((await poll).status).toBe(200)
}

test('shows in the schema that a column has become nullable, without ending the shape', async () => {
  const handle = await join('items')
  const schema = async () => {
    const page = await fixture.get({ table: 'items', handle, offset: '0_inf' })
    expect([page.status, page.headers.get('electric-handle')]).toEqual([200, handle])
    return JSON.parse(page.headers.get('electric-schema') ?? '')
  }
  await write('items', handle, 1)
  expect((await schema()).title).toEqual({ type: 'text', not_null: true })
  await fixture.sql.query('ALTER TABLE items ALTER title DROP NOT NULL')
  await fixture.sql.query("INSERT INTO items VALUES (2, 'after')")
  await until('the schema follows', async () => (await schema()).title.not_null === undefined)
})

test('makes clients start over when a table gets a primary key', async () => {
  const handle = await join('keyless')
  await write('keyless', handle, 1)
  await fixture.sql.query('ALTER TABLE keyless ADD PRIMARY KEY (id)')
  await fixture.sql.query("INSERT INTO keyless VALUES (2, 'after')")
  let again = ''
  await until('the old handle is refused', async () => {
    const response = await fixture.get({ table: 'keyless', handle, offset: '0_inf' })
    again = response.headers.get('electric-handle') ?? ''
    return response.status === 409
  })
  const rows = await fixture.get({ table: 'keyless', offset: '-1' })
  expect(rows.headers.get('electric-handle')).toBe(again)
  const messages = (await rows.json()) as { key?: string }[]
  expect(messages.flatMap(({ key }) => key ?? []).sort()).toEqual([
    '"public"."keyless"/"1"',
    '"public"."keyless"/"2"',
  ])
})
