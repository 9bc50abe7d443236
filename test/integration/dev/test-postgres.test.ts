import { expect, test } from 'vitest'
import { freshDatabase } from '../../support/database.ts'
import { query } from '../../support/query.ts'

test('creates an empty database with logical replication, and drops it', async () => {
  const database = await freshDatabase()
  expect(await query(database.url, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }])
  await query(database.url, 'CREATE TABLE t (id int)')
  const other = await freshDatabase()
  expect(await query(other.url, "SELECT to_regclass('t') AS t")).toEqual([{ t: null }])
  await query(other.url, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
  await database.drop()
  await other.drop()
  await expect(query(database.url, 'SELECT 1')).rejects.toThrow('does not exist')
})
