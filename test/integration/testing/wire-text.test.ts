import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonValue } from '../../../src/schema/index.ts'
import { jsonbText, timestamptzText } from '../../../src/testing/wire-text.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { fc } from '../../support/property.ts'

let database: TestDatabase
let client: Client

beforeAll(async () => {
  database = await freshDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query("SET TIME ZONE 'UTC'")
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

async function printed(type: string, texts: readonly string[]): Promise<string[]> {
  const query = `SELECT item::${type}::text AS text FROM unnest($1::text[]) WITH ORDINALITY AS list (item, at) ORDER BY at`
  const { rows } = await client.query<{ text: string }>(query, [texts])
  return rows.map(({ text }) => text)
}

const DAY_MS = 86_400_000

/** Days and milliseconds since 1970: as one number of milliseconds they would lose precision. */
const FROM_EPOCH = `
  SELECT ('epoch'::timestamptz + make_interval(days => day) + rest * interval '1 ms')::text AS text
  FROM unnest($1::int[], $2::int[]) WITH ORDINALITY AS list (day, rest, at) ORDER BY at`

/** What a jsonb column can hold. */
const storable = (value: unknown) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value))

test('JSON is printed as Postgres prints jsonb', async () => {
  const anyJson = fc.jsonValue({ noUnicodeString: false }).filter(storable)
  await fc.assert(
    fc.asyncProperty(fc.array(anyJson, { minLength: 1, maxLength: 50 }), async (values) => {
      const texts = values.map((value) => JSON.stringify(value))
      expect(values.map((value) => jsonbText(value as JsonValue))).toEqual(
        await printed('jsonb', texts),
      )
    }),
  )
})

test('points in time are printed as Postgres prints timestamptz', async () => {
  const anyDate = fc.date({
    min: new Date('-004000-01-01T00:00:00Z'),
    max: new Date('+100000-01-01T00:00:00Z'),
    noInvalidDate: true,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(anyDate, { minLength: 1, maxLength: 50 }), async (dates) => {
      const days = dates.map((date) => Math.floor(date.getTime() / DAY_MS))
      const rests = dates.map((date, index) => date.getTime() - (days[index] ?? 0) * DAY_MS)
      const { rows } = await client.query<{ text: string }>(FROM_EPOCH, [days, rests])
      expect(dates.map(timestamptzText)).toEqual(rows.map(({ text }) => text))
    }),
  )
})
