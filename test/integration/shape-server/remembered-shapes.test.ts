import type { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ShapeParams } from '../../../src/dev/protocol/source.ts'
import { type Catalog, createCatalog } from '../../../src/dev/shape-server/catalog.ts'
import { createPool } from '../../../src/dev/shape-server/connection.ts'
import { defineShape } from '../../../src/dev/shape-server/shape-definition.ts'
import { loadPgParser } from '../../../src/dev/shape-server/where/parse.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'

let database: TestDatabase
let pool: Pool
let catalog: Catalog

beforeAll(async () => {
  await loadPgParser()
  database = await freshDatabase()
  pool = createPool(database.url, (error) => {
    throw error
  })
  await pool.query(`CREATE TABLE items (id int PRIMARY KEY, owner text);
    CREATE TABLE owners (id text PRIMARY KEY)`)
  catalog = createCatalog(pool)
})

afterAll(async () => {
  await pool?.end()
  await database?.drop()
})

const params: ShapeParams = {
  table: 'items',
  where: 'owner IN (SELECT id FROM owners WHERE id <> $1)',
  params: ['ann'],
  columns: undefined,
  queryableColumns: undefined,
  replica: 'default',
  log: 'full',
}

async function defined(change: Partial<ShapeParams> = {}) {
  const result = await defineShape(catalog, { ...params, ...change })
  if ('errors' in result) throw new Error(JSON.stringify(result.errors))
  return result.definition
}

test('returns the same shape for the same request, and another for each other parameter', async () => {
  const shape = await defined()
  expect(await defined()).toBe(shape)
  const others = await Promise.all([
    defined({ params: ['bob'] }),
    defined({ where: 'true', params: [] }),
    defined({ where: undefined, params: [] }),
    defined({ columns: 'id' }),
    defined({ queryableColumns: 'id,owner' }),
    defined({ replica: 'full' }),
    defined({ log: 'changes_only' }),
    defined({ table: 'owners', where: undefined, params: [] }),
  ])
  expect(new Set([shape, ...others]).size).toBe(9)
})

test('checks again after the catalog has forgotten a table, in a subquery too', async () => {
  const before = await defined()
  await pool.query('ALTER TABLE owners ADD COLUMN name text')
  expect(await defined()).toBe(before)
  catalog.forget(['public', 'owners'])
  const after = await defined()
  expect(after).not.toBe(before)
  expect(after.plan.subqueries[0]?.table.columns).toHaveLength(2)
  catalog.clear()
  expect(await defined()).not.toBe(after)
})

test('reports an error each time', async () => {
  const wrong = { ...params, where: 'nothing = 1', params: [] }
  const first = await defineShape(catalog, wrong)
  expect(first).toHaveProperty('errors.where')
  expect(await defineShape(catalog, wrong)).toEqual(first)
})

test('does not cache thousands of different shapes', async () => {
  const shape = await defined()
  for (let n = 0; n < 2000; n++) await defined({ params: [`owner ${n}`] })
  expect(await defined()).not.toBe(shape)
  expect((await defined()).key).toBe(shape.key)
})
