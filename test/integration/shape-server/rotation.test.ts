import { Shape, ShapeStream } from '@electric-sql/client'
import { afterEach, expect, test } from 'vitest'
import { type ShapeFixture, startFixture, until } from './fixture.ts'

let fixture: ShapeFixture
const stop = new AbortController()

afterEach(async () => {
  stop.abort()
  await fixture?.close()
})

type Item = { id: number; title: string }

/** Follows the table, and collects changes that contradict the rows it holds. */
function follow(url: string, params: Record<string, string>) {
  const stream = new ShapeStream<Item>({
    url,
    params: { table: 'items', ...params },
    signal: stop.signal,
  })
  const held = new Set<string>()
  const seen = { rotations: 0, misfits: [] as string[] }
  stream.subscribe((messages) => {
    for (const message of messages) {
      if ('control' in message.headers) {
        if (message.headers.control !== 'must-refetch') continue
        seen.rotations += 1
        held.clear()
      } else if ('operation' in message.headers && 'key' in message) {
        const { operation } = message.headers
        if (held.has(message.key) === (operation === 'insert')) {
          seen.misfits.push(`${operation} ${message.key}`)
        }
        if (operation === 'delete') held.delete(message.key)
        else held.add(message.key)
      }
    }
  })
  // The client's own types disagree with each other under exactOptionalPropertyTypes.
  const shape = new Shape(stream as ConstructorParameters<typeof Shape<Item>>[0])
  const rows = () =>
    [...shape.currentValue.values()]
      .map(({ id, title }) => `${id}:${title}`)
      .sort()
      .join()
  return { rows, seen }
}

test('a client that follows a log too large for memory starts over without losing or doubling a row', async () => {
  fixture = await startFixture(
    `CREATE TABLE items (id int PRIMARY KEY, title text);
     INSERT INTO items SELECT n, 'first' FROM generate_series(1, 20) n`,
    { maxLogBytes: 16_000 },
  )
  const clients = [follow(fixture.url, {}), follow(fixture.url, { where: 'id <= 15' })]
  for (let n = 1; n <= 600; n++) {
    const id = 1 + (n % 20)
    await fixture.sql.query(
      n % 7 === 0
        ? `DELETE FROM items WHERE id = ${id}`
        : `INSERT INTO items VALUES (${id}, 'write ${n}')
           ON CONFLICT (id) DO UPDATE SET title = excluded.title`,
    )
    // The clients catch up now and then, so that some rotations happen while they wait for changes.
    if (n % 50 === 0) await caughtUp()
  }
  await caughtUp()
  for (const { seen } of clients) {
    expect(seen.misfits).toEqual([])
    expect(seen.rotations).toBeGreaterThan(1)
  }
  expect(fixture.trouble).toEqual([])

  async function caughtUp() {
    const [all, some] = clients
    const select = async (where: string) => {
      const { rows } = await fixture.sql.query<Item>(`SELECT * FROM items WHERE ${where}`)
      return rows
        .map(({ id, title }) => `${id}:${title}`)
        .sort()
        .join()
    }
    const expected = [await select('true'), await select('id <= 15')]
    await until(
      'the clients hold what SELECT returns',
      () => all?.rows() === expected[0] && some?.rows() === expected[1],
    )
  }
})
