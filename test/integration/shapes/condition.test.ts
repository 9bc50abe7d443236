import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type ColumnTexts,
  type Condition,
  matches,
  toWhereClause,
} from '../../../src/access/condition.ts'
import * as where from '../../../src/access/where.ts'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { cases, fc } from '../../support/property.ts'

const WORDS = ['a', 'b', "it's", 'Ä', '$1', '"', '\\', '{x,y}', 'NULL', '']
const SIZES = ['-1', '0', '9', '10', '9007199254740992', '9007199254740993']
const RATIOS = ['-0.5', '0', '0.3', '2', '1e300']
const TIMES = [-1, 0, 999, 86_400_000, 4e12].map((ms) => new Date(ms))

const TEXT_COLUMNS = ['id', 'kind', 'odd"Name']
const ALL_COLUMNS = [...TEXT_COLUMNS, 'size', 'ratio', 'at', 'tags']
const TABLES = ['things', 'others']

const word = fc.constantFrom(...WORDS)
const row = fc.record({
  id: word,
  kind: fc.option(word),
  'odd"Name': fc.option(word),
  size: fc.option(fc.constantFrom(...SIZES)),
  ratio: fc.option(fc.constantFrom(...RATIOS)),
  at: fc.option(fc.constantFrom(...TIMES)),
  tags: fc.option(fc.array(fc.option(word), { maxLength: 3 })),
})
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never

const column = fc.constantFrom(...TEXT_COLUMNS)
const ordered = fc.oneof(
  fc.tuple(fc.constant('size'), fc.constantFrom(...SIZES).map(BigInt)),
  fc.tuple(fc.constant('ratio'), fc.constantFrom(...RATIOS).map(Number)),
  fc.tuple(fc.constant('at'), fc.constantFrom(...TIMES)),
)

const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(column, word).map(([name, text]) => where.eq(name, text)),
    fc
      .tuple(column, fc.array(word, { maxLength: 3 }))
      .map(([name, texts]) => where.inArray(name, texts)),
    word.map((text) => where.contains('tags', text)),
    fc.constantFrom(...ALL_COLUMNS).map(where.isNull),
    fc
      .tuple(fc.constantFrom(where.gt, where.gte, where.lt, where.lte), ordered)
      .map(([compare, [name, value]]) => compare(name, value)),
    fc.constant(where.between('size', 0, 9_007_199_254_740_992n)),
    fc.array(tie('condition'), { maxLength: 3 }).map((parts) => where.and(...parts)),
    fc.array(tie('condition'), { maxLength: 3 }).map((parts) => where.or(...parts)),
    tie('condition').map(where.not),
    fc
      .tuple(column, column, tie('condition'))
      .map(([name, select, inner]) =>
        where.inArray(name, { table: 'others', select, where: inner }),
      ),
  ),
}))

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await freshDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query("SET TimeZone TO 'UTC'")
  for (const table of TABLES) {
    await client.query(
      `CREATE TABLE ${table} (n int PRIMARY KEY, id text, kind text, "odd""Name" text, size bigint,
         ratio double precision, at timestamptz, tags text[])`,
    )
  }
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

/** Stores the rows and returns them as Postgres prints them. */
async function fill(table: string, rows: readonly Row[]): Promise<ColumnTexts[]> {
  await client.query(`TRUNCATE ${table}`)
  for (const [n, { id, kind, 'odd"Name': odd, size, ratio, at, tags }] of rows.entries()) {
    const values = [n, id, kind, odd, size, ratio, at, tags]
    await client.query(`INSERT INTO ${table} VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, values)
  }
  const { rows: printed } = await client.query<ColumnTexts>(
    `SELECT id, kind, "odd""Name", size::text, ratio::text, at::text, tags::text
     FROM ${table} ORDER BY n`,
  )
  return printed
}

describe('a condition', () => {
  test('selects the same rows in Postgres and in memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        condition,
        fc.array(row, { maxLength: 6 }),
        fc.array(row, { maxLength: 4 }),
        async (given, someThings, someOthers) => {
          const things = await fill('things', someThings)
          const others = await fill('others', someOthers)
          const clause = toWhereClause(given)
          const found = await client.query<{ n: number }>(
            `SELECT n FROM things WHERE ${clause.where} ORDER BY n`,
            [...clause.params],
          )
          const expected = [...things.keys()].filter((n) =>
            matches(given, things[n] ?? {}, (table) => (table === 'others' ? others : [])),
          )
          expect(found.rows.map(({ n }) => n)).toEqual(expected)
        },
      ),
      { numRuns: cases(300, 5_000) },
    )
  })

  test('selects the same rows in a shape', async () => {
    const things = await fill('things', fc.sample(row, 12))
    const others = await fill('others', fc.sample(row, 6))
    const engine = await createShapeServer({ database: database.url })
    onTestFinished(() => engine.close())
    const { url } = await engine.listen()
    await fc.assert(
      fc.asyncProperty(condition, async (given) => {
        const clause = toWhereClause(given)
        const query = new URLSearchParams({ table: 'things', offset: '-1', where: clause.where })
        for (const [at, value] of clause.params.entries()) query.set(`params[${at + 1}]`, value)
        const response = await fetch(`${url}/v1/shape?${query}`)
        const messages = (await response.json()) as { value?: { n: string } }[]
        expect(response.status, JSON.stringify({ clause, messages })).toBe(200)
        const found = messages.flatMap(({ value }) => (value ? [Number(value.n)] : []))
        const expected = [...things.keys()].filter((n) =>
          matches(given, things[n] ?? {}, (table) => (table === 'others' ? others : [])),
        )
        expect(found.sort((one, other) => one - other)).toEqual(expected)
      }),
      { numRuns: cases(50, 1_000) },
    )
  })
})
