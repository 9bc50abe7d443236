import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShapeServer, type ShapeServer } from '../../../src/dev/shape-server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { cases, fc } from '../../support/property.ts'
import { createMaterializedClient, type MaterializedClient } from './materialized-client.ts'

const runs = cases(250, 10_000)

const visible = "SELECT id FROM sessions WHERE owner = 'ann' OR visibility = 'tenant'"
const shapes: readonly { table: string; where?: string; replica?: string }[] = [
  { table: 'messages' },
  { table: 'messages', where: 'n > 3' },
  { table: 'messages', where: "body = 'a'", replica: 'full' },
  { table: 'messages', where: "body LIKE 'a%' OR n IS NULL" },
  { table: 'messages', where: `session_id IN (${visible})` },
  { table: 'messages', where: `n > 2 AND session_id IN (${visible})` },
  { table: 'messages', where: `session_id = 3 AND session_id IN (${visible})` },
  { table: 'messages', where: `session_id NOT IN (${visible})` },
  { table: 'messages', where: `body = 'a' OR session_id IN (${visible})`, replica: 'full' },
  {
    table: 'messages',
    where:
      'session_id IN (SELECT id FROM sessions WHERE team IN (SELECT id FROM teams WHERE active))',
  },
  {
    table: 'messages',
    where: `session_id IN (${visible}) AND NOT (session_id IN (SELECT id FROM sessions WHERE team = 1) OR n = 2)`,
  },
  { table: 'sessions', where: "visibility = 'tenant' AND owner <> 'bob'" },
]

const id = fc.integer({ min: 1, max: 6 })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 5 })
const quoted = (value: string | number | boolean | null) => (value === null ? 'NULL' : `'${value}'`)

const write: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(id, maybe(id), fc.constantFrom('a', 'ab', 'b'), maybe(id)).map(
      ([key, session, body, n]) =>
        `INSERT INTO messages VALUES (${key}, ${quoted(session)}, '${body}', ${quoted(n)})
       ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, body = excluded.body, n = excluded.n`,
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id, maybe(id))
      .map(
        ([key, session]) => `UPDATE messages SET session_id = ${quoted(session)} WHERE id = ${key}`,
      ),
  },
  { weight: 2, arbitrary: id.map((key) => `DELETE FROM messages WHERE id = ${key}`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id, id)
      .map(([from, to]) => `UPDATE messages SET id = ${to} WHERE id = ${from}`),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(id, fc.constantFrom('ann', 'bob'), fc.constantFrom('private', 'tenant'), maybe(id))
      .map(
        ([key, owner, visibility, team]) =>
          `INSERT INTO sessions VALUES (${key}, '${owner}', '${visibility}', ${quoted(team)})
       ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, visibility = excluded.visibility, team = excluded.team`,
      ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(id, fc.constantFrom('private', 'tenant'))
      .map(
        ([key, visibility]) => `UPDATE sessions SET visibility = '${visibility}' WHERE id = ${key}`,
      ),
  },
  { weight: 1, arbitrary: id.map((key) => `DELETE FROM sessions WHERE id = ${key}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(id, id)
      .map(([from, to]) => `UPDATE sessions SET id = ${to} WHERE id = ${from}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id, fc.boolean())
      .map(
        ([key, active]) =>
          `INSERT INTO teams VALUES (${key}, ${active}) ON CONFLICT (id) DO UPDATE SET active = excluded.active`,
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'TRUNCATE messages',
      'TRUNCATE teams',
      'UPDATE messages SET n = n + 1',
    ),
  },
)

type Command =
  | { readonly do: 'write'; readonly writer: number; readonly sql: string }
  | { readonly do: 'commit' | 'rollback'; readonly writer: number }
  | { readonly do: 'join'; readonly shape: number }
  | { readonly do: 'poll' }
  | { readonly do: 'check' }

const writer = fc.integer({ min: 0, max: 2 })
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('write' as const), writer, sql: write }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('commit' as const), writer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback' as const), writer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('join' as const),
      shape: fc.integer({ min: 0, max: shapes.length - 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'poll' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'check' as const }) },
)

let database: TestDatabase
let server: ShapeServer
let reader: Client
let writers: Client[]
const failures: unknown[] = []

beforeAll(async () => {
  database = await freshDatabase()
  const connect = async () => {
    const client = new Client({ connectionString: database.url })
    await client.connect()
    // Replication sends flushed commits only; with asynchronous commits each check would wait for a flush.
    await client.query('SET synchronous_commit = on')
    return client
  }
  reader = await connect()
  await reader.query(`
    CREATE TABLE teams (id int PRIMARY KEY, active bool);
    CREATE TABLE sessions (id int PRIMARY KEY, owner text, visibility text, team int);
    CREATE TABLE messages (id int PRIMARY KEY, session_id int, body text, n int);
    CREATE TABLE markers (id int PRIMARY KEY);
    ALTER TABLE teams REPLICA IDENTITY FULL;
    ALTER TABLE sessions REPLICA IDENTITY FULL;
    ALTER TABLE messages REPLICA IDENTITY FULL;
    ALTER TABLE markers REPLICA IDENTITY FULL;`)
  writers = await Promise.all([connect(), connect(), connect()])
  for (const client of writers) await client.query("SET lock_timeout = '15ms'")
  server = await createShapeServer({
    database: database.url,
    onEvent: (event) => {
      if (event.level !== 'info') failures.push(event)
    },
  })
  // Publishes all tables before the first transaction stays open, so that no shape waits for it.
  for (const table of ['teams', 'sessions', 'messages', 'markers']) {
    await createMaterializedClient(server.fetch, { table }).poll()
  }
})

afterAll(async () => {
  await server?.close()
  for (const client of [reader, ...(writers ?? [])]) await client?.end()
  await database?.drop()
})

test('after random transactions every client holds what SELECT returns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (commands) => {
      await runCommands(commands)
    }),
    { numRuns: runs, endOnFailure: true },
  )
  expect(failures).toEqual([])
})

async function runCommands(commands: readonly Command[]): Promise<void> {
  const open = [false, false, false]
  const clients: { client: MaterializedClient; shape: number }[] = []
  const joining: Promise<unknown>[] = []
  await reader.query('DELETE FROM messages; DELETE FROM sessions; DELETE FROM teams')

  async function end(index: number, how: 'COMMIT' | 'ROLLBACK') {
    if (open[index]) await writers[index]?.query(how)
    open[index] = false
  }

  async function check() {
    for (const index of [0, 1, 2]) await end(index, 'COMMIT')
    await Promise.all(joining)
    await expectEqual(clients)
  }

  try {
    for (const step of commands) {
      if (step.do === 'write') {
        const client = writers[step.writer] as Client
        if (!open[step.writer]) await client.query('BEGIN')
        open[step.writer] = true
        // Conflicts with other writers roll the transaction back, which is part of the test.
        await client.query(step.sql).catch(() => end(step.writer, 'ROLLBACK'))
        // TRUNCATE blocks readers, including snapshots, until it commits.
        if (step.sql.startsWith('TRUNCATE')) await end(step.writer, 'COMMIT')
      } else if (step.do === 'commit') await end(step.writer, 'COMMIT')
      else if (step.do === 'rollback') await end(step.writer, 'ROLLBACK')
      else if (step.do === 'join') {
        const client = createMaterializedClient(server.fetch, paramsOf(step.shape))
        clients.push({ client, shape: step.shape })
        joining.push(client.poll())
      } else if (step.do === 'poll') {
        await Promise.all(joining)
        await Promise.all(clients.map(({ client }) => client.poll()))
      } else await check()
    }
    await check()
  } finally {
    for (const index of [0, 1, 2]) await end(index, 'ROLLBACK')
    await Promise.allSettled(joining)
    for (const shape of shapes.keys()) await dropShape(shape)
  }
}

function paramsOf(shape: number): Record<string, string> {
  return Object.fromEntries(Object.entries(shapes[shape] ?? {}))
}

/** Drops a shape, so that the next run takes its snapshot at another moment. */
async function dropShape(shape: number): Promise<void> {
  const url = `http://shapes/v1/shape?${new URLSearchParams(paramsOf(shape))}`
  await server.fetch(new Request(url, { method: 'DELETE' }))
}

async function expectEqual(
  clients: readonly { client: MaterializedClient; shape: number }[],
): Promise<void> {
  const lsn = await markedLsn()
  for (const { client, shape } of clients) {
    await client.sync(lsn)
    const { table, where = 'true' } = shapes[shape] as (typeof shapes)[number]
    const { rows } = await reader.query(`SELECT * FROM ${table} WHERE ${where} ORDER BY id`)
    const expected = rows.map((row) => textsOf(row))
    const held = [...client.rows.values()].map(({ value }) => value)
    held.sort((a, b) => Number(a.id) - Number(b.id))
    expect(held, `${table} WHERE ${where}`).toEqual(expected)
  }
}

function textsOf(row: Record<string, unknown>): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]),
  )
}

let marker = 0

/** Commits a transaction after all others, and returns an LSN from before its commit. */
async function markedLsn(): Promise<bigint> {
  const { rows } = await reader.query("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn")
  marker += 1
  await reader.query(`INSERT INTO markers VALUES (${marker})`)
  return BigInt(rows[0].lsn)
}
