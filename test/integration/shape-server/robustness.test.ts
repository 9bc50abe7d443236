import { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ShapeFixture, startFixture, until } from './fixture.ts'

let fixture: ShapeFixture

beforeEach(async () => {
  fixture = await startFixture(
    `CREATE TABLE items (id int PRIMARY KEY, title text);
     INSERT INTO items VALUES (1, 'one'), (2, 'two');`,
    // Longer than any test, so that no poll ends by time.
    { longPollMs: 120_000 },
  )
})

afterEach(() => fixture?.close())

async function join(table = 'items', more: Record<string, string> = {}): Promise<string> {
  const response = await fixture.get({ table, offset: '-1', ...more })
  await response.text()
  return response.headers.get('electric-handle') ?? ''
}

test('two transactions in flight around a snapshot are neither lost nor doubled', async () => {
  await join()
  const writers = await Promise.all([connect(), connect()])
  for (const [i, writer] of writers.entries()) {
    await writer.query('BEGIN')
    await writer.query(`INSERT INTO items VALUES (${10 + i}, 'in flight')`)
  }
  await writers[0]?.query('COMMIT')
  const open = await writers[1]?.query('SELECT pg_current_xact_id()::text AS id')
  // A later transaction that has ended puts the open one into xip_list rather than beyond xmax.
  await fixture.sql.query('SELECT pg_current_xact_id()')
  const snapshot = await fixture.get({ table: 'items', where: 'id > 0', offset: '-1' })
  const handle = snapshot.headers.get('electric-handle') ?? ''
  const messages = (await snapshot.json()) as { key?: string; headers: { xip_list?: string[] } }[]
  await writers[1]?.query('COMMIT')
  const live = await fixture.get({
    table: 'items',
    where: 'id > 0',
    handle,
    offset: '0_0',
    live: 'true',
  })
  const changes = (await live.json()) as { key?: string }[]
  expect(messages.flatMap(({ key }) => key ?? [])).toContain('"public"."items"/"10"')
  expect(messages.at(-1)?.headers.xip_list).toContain(open?.rows[0].id)
  expect(changes.flatMap(({ key }) => key ?? [])).toEqual(['"public"."items"/"11"'])
  for (const writer of writers) await writer.end()
})

test('leaves no waiting request behind after hundreds of client aborts', async () => {
  const handle = await join()
  const aborts = Array.from({ length: 300 }, () => new AbortController())
  const query = new URLSearchParams({ table: 'items', handle, offset: '0_inf', live: 'true' })
  const polls = aborts.map((abort) => fetch(`${fixture.url}?${query}`, { signal: abort.signal }))
  await new Promise((resolve) => setTimeout(resolve, 100))
  for (const abort of aborts) abort.abort()
  const results = await Promise.allSettled(polls)
  expect(results.every((result) => result.status === 'rejected')).toBe(true)
  await fixture.sql.query("UPDATE items SET title = 'after' WHERE id = 1")
  await until('the change is served', async () => {
    const response = await fixture.get({ table: 'items', handle, offset: '0_inf' })
    return (await response.text()).includes('after')
  })
  expect(fixture.trouble).toEqual([])
})

test('many shapes created at the same time do not deadlock', async () => {
  const responses = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      fixture.get({ table: 'items', where: `id > ${i}`, offset: '-1' }),
    ),
  )
  expect(responses.map((response) => response.status)).toEqual(new Array(40).fill(200))
})

test('never reuses a deleted handle, and answers pending polls with 409 immediately', async () => {
  const seen = new Set<string>()
  for (let i = 0; i < 5; i++) {
    const handle = await join()
    expect(seen.has(handle)).toBe(false)
    seen.add(handle)
    const poll = fixture.get({ table: 'items', handle, offset: '0_inf', live: 'true' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await fetch(`${fixture.url}?table=items`, { method: 'DELETE' })
    expect((await poll).status).toBe(409)
  }
})

test('serves a new table immediately, and survives a dropped one', async () => {
  for (let i = 0; i < 5; i++) {
    await fixture.sql.query('CREATE TABLE fleeting (id int PRIMARY KEY)')
    const handle = await join('fleeting', { where: `id > ${i}` })
    const poll = fixture.get({
      table: 'fleeting',
      where: `id > ${i}`,
      handle,
      offset: '0_inf',
      live: 'true',
    })
    await fixture.sql.query('DROP TABLE fleeting')
    const response = await fixture.get({ table: 'fleeting', where: 'id = 7', offset: '-1' })
    expect([400, 409]).toContain(response.status)
    expect((await poll).status).toBe(409)
  }
  expect(await join()).not.toBe('')
})

test('expires shapes when replication breaks off, and serves them again by itself', async () => {
  const handle = await join()
  const poll = fixture.get({ table: 'items', handle, offset: '0_inf', live: 'true' })
  const admin = await connect()
  await admin.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
     WHERE database = current_database()`,
  )
  expect((await poll).status).toBe(409)
  const health = new URL('/v1/health', fixture.url)
  await until('the server is healthy again', async () => (await fetch(health)).status === 200)
  const again = await join()
  expect(again).not.toBe(handle)
  await admin.query("INSERT INTO items VALUES (3, 'after')")
  await until('changes arrive again', async () => {
    const response = await fixture.get({ table: 'items', handle: again, offset: '0_inf' })
    return (await response.text()).includes('after')
  })
  await admin.end()
})

test('a condition that fails for a row ends only its own shape', async () => {
  await fixture.sql.query('CREATE TABLE ratios (id int PRIMARY KEY, a int, b int)')
  const bad = { where: 'a / b > 1' }
  const badHandle = await join('ratios', bad)
  const goodHandle = await join('ratios', { where: 'a > 1' })
  await fixture.sql.query('INSERT INTO ratios VALUES (1, 5, 0)')
  await until('the good shape has the row', async () => {
    const query = { table: 'ratios', where: 'a > 1', handle: goodHandle, offset: '0_inf' }
    return (await (await fixture.get(query)).text()).includes('"1"')
  })
  const response = await fixture.get({
    table: 'ratios',
    ...bad,
    handle: badHandle,
    offset: '0_inf',
  })
  expect([409, 500]).toContain(response.status)
})

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: fixture.databaseUrl })
  await client.connect()
  await client.query('SET synchronous_commit = on')
  return client
}
