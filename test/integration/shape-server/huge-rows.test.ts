import { expect, onTestFinished, test } from 'vitest'
import { createPool, withConnection } from '../../../src/dev/shape-server/connection.ts'
import { copyRows } from '../../../src/dev/shape-server/copy-rows.ts'
import { freshDatabase } from '../../support/database.ts'
import { isDeep } from '../../support/property.ts'
import { startFixture, until } from './fixture.ts'

test('refuses to read a row that is too large, and goes on reading others', async () => {
  const database = await freshDatabase()
  const pool = createPool(database.url, () => {}, 1)
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  const read = async (select: string) => {
    const lengths: (number | undefined)[] = []
    await withConnection(pool, (client) =>
      copyRows(client, select, ([value]) => lengths.push(value?.length)),
    )
    return lengths
  }
  const mebibytes = (count: number) => `SELECT repeat('x', ${count * 2 ** 20})`
  await expect(read(mebibytes(129))).rejects.toThrow('row is too large')
  expect(await read(`${mebibytes(1)} UNION ALL ${mebibytes(2)}`)).toEqual([2 ** 20, 2 ** 21])
})

// Writes half a gigabyte.
test.runIf(isDeep)(
  'survives a row that is too large for a JavaScript string',
  async () => {
    const fixture = await startFixture(`
    CREATE TABLE items (id int PRIMARY KEY, body text);
    ALTER TABLE items ALTER body SET STORAGE EXTERNAL;
    CREATE TABLE others (id int PRIMARY KEY);
    INSERT INTO items VALUES (1, 'small')`)
    onTestFinished(fixture.close)
    const join = async (table: string) => {
      const response = await fixture.get({ table, offset: '-1' })
      return { status: response.status, text: await response.text(), headers: response.headers }
    }
    const handleOf = async (table: string) =>
      (await join(table)).headers.get('electric-handle') ?? ''
    const [handle, otherHandle] = [await handleOf('items'), await handleOf('others')]
    await fixture.sql.query(`INSERT INTO items VALUES (2, repeat('x', ${530 * 2 ** 20}))`)
    await fixture.sql.query('INSERT INTO others VALUES (7)')
    await until(
      'the shape has ended',
      async () => {
        const query = { table: 'items', handle, offset: '0_inf' }
        return (await fixture.get(query)).status === 409
      },
      240_000,
    )
    const refused = await join('items')
    expect([refused.status, JSON.parse(refused.text).message]).toEqual([
      500,
      expect.stringContaining('row is too large'),
    ])
    await until(
      'the other shape goes on',
      async () => {
        const query = { table: 'others', handle: otherHandle, offset: '0_inf' }
        return (await (await fixture.get(query)).text()).includes('"7"')
      },
      240_000,
    )
    await fixture.sql.query('DELETE FROM items WHERE id = 2')
    await until(
      'the table is served again',
      async () => (await join('items')).status === 200,
      240_000,
    )
    expect((await join('items')).text).toContain('small')
  },
  900_000,
)
