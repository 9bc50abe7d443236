import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  and,
  type Condition,
  equals,
  isIn,
  matches,
  or,
  toWhereClause,
} from '../../../src/shapes/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { fc } from '../../support/property.ts'

const VALUES = ['a', 'b', "it's", 'Ä', '$1', '"']
const COLUMNS = ['id', 'kind', 'odd"Name']
const TABLES = ['things', 'others']

type Row = Record<string, string | null>

const value = fc.constantFrom(...VALUES)
const row: fc.Arbitrary<Row> = fc.record({
  id: value,
  kind: fc.option(value),
  'odd"Name': fc.option(value),
})

const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(fc.constantFrom(...COLUMNS), value).map(([column, text]) => equals(column, text)),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((parts) => and(...parts)),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((parts) => or(...parts)),
    fc
      .tuple(fc.constantFrom(...COLUMNS), fc.constantFrom(...COLUMNS), tie('condition'))
      .map(([column, select, where]) => isIn(column, { table: 'others', select, where })),
  ),
}))

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await freshDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  for (const table of TABLES) {
    await client.query(`CREATE TABLE ${table} (n int, id text, kind text, "odd""Name" text)`)
  }
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

async function fill(table: string, rows: readonly Row[]): Promise<void> {
  await client.query(`TRUNCATE ${table}`)
  for (const [n, { id, kind, 'odd"Name': odd }] of rows.entries()) {
    await client.query(`INSERT INTO ${table} VALUES ($1, $2, $3, $4)`, [n, id, kind, odd])
  }
}

describe('a condition', () => {
  test('means the same in Postgres and in memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        condition,
        fc.array(row, { maxLength: 6 }),
        fc.array(row, { maxLength: 4 }),
        async (given, things, others) => {
          await fill('things', things)
          await fill('others', others)
          const { where, params } = toWhereClause(given)
          const found = await client.query<{ n: number }>(
            `SELECT n FROM things WHERE ${where} ORDER BY n`,
            [...params],
          )
          const expected = [...things.keys()].filter((n) =>
            matches(given, things[n] ?? {}, (table) => (table === 'others' ? others : [])),
          )
          expect(found.rows.map(({ n }) => n)).toEqual(expected)
        },
      ),
      { numRuns: 200 },
    )
  })
})
