import { afterEach, expect, test } from 'vitest'
import { type ShapeFixture, startFixture } from './fixture.ts'

let fixture: ShapeFixture

afterEach(() => fixture?.close())

test('a page that is being sent stays as it is while its shape goes and another takes its memory', async () => {
  // More than the buffers of two sockets hold: the rest of the page stays in the server's memory.
  const chunkBytes = 24 * 2 ** 20
  const rows = (letter: string) =>
    `CREATE TABLE ${letter} AS SELECT n, repeat('${letter}', 10000) AS body FROM generate_series(1, 2600) n;`
  fixture = await startFixture(rows('a') + rows('b'), { chunkBytes })
  const firstPage = (table: string) => fixture.get({ table, offset: '-1' })
  const slow = await firstPage('a')
  await fetch(`${fixture.url}?table=a`, { method: 'DELETE' })
  const quick = await (await firstPage('b')).text()
  expect([quick.includes('aaaa'), quick.includes('bbbb')]).toEqual([false, true])
  const late = await slow.text()
  expect(late.length).toBeGreaterThanOrEqual(chunkBytes)
  expect([late.includes('aaaa'), late.includes('bbbb')]).toEqual([true, false])
})
