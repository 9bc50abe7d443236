import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isVisible, parseSnapshot } from '../../../src/dev/protocol/snapshot-visibility.ts'
import { type ShapeFixture, startFixture } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(`CREATE TABLE notes (id text PRIMARY KEY);
    ALTER TABLE notes REPLICA IDENTITY FULL`)
})
afterAll(() => fixture?.close())

interface Bounds {
  readonly xmin: string
  readonly xmax: string
  readonly xip_list: string[]
}

interface Message {
  readonly value?: { id: string }
  readonly headers: { readonly txids?: number[]; readonly control?: string } & Partial<Bounds>
}

/** Writes a row in a transaction that stays open. */
async function openTransaction(id: string) {
  const client = new Client({ connectionString: fixture.databaseUrl })
  await client.connect()
  await client.query('BEGIN')
  await client.query('INSERT INTO notes VALUES ($1)', [id])
  const { rows } = await client.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid')
  return {
    xid: rows[0]?.xid ?? '',
    async commit() {
      await client.query('COMMIT')
      await client.end()
    },
  }
}

function sees({ xmin, xmax, xip_list }: Bounds, xid: string): boolean {
  return isVisible(parseSnapshot(`${xmin}:${xmax}:${xip_list.join(',')}`), Number(xid))
}

test("a subset's bounds list the transactions in flight, whose rows arrive as changes", async () => {
  const shape = { table: 'notes', log: 'changes_only' }
  const start = await fixture.get({ ...shape, offset: 'now' })
  const handle = start.headers.get('electric-handle') ?? ''
  const first = await openTransaction('first')
  const done = await openTransaction('done')
  const last = await openTransaction('last')
  await done.commit()

  const subset = await fixture.get({
    ...shape,
    handle,
    offset: '0_inf',
    subset__where: 'true = true',
  })
  const { metadata, data } = (await subset.json()) as { metadata: Bounds; data: Message[] }
  expect(data.map(({ value }) => value?.id)).toEqual(['done'])
  expect(metadata.xip_list).toContain(first.xid)
  expect([first, done, last].map(({ xid }) => sees(metadata, xid))).toEqual([false, true, false])

  await last.commit()
  await first.commit()
  const changes: Message[] = []
  let offset = '0_inf'
  while (changes.length < 3) {
    const live = await fixture.get({ ...shape, handle, offset, live: 'true' })
    offset = live.headers.get('electric-offset') ?? ''
    changes.push(...((await live.json()) as Message[]).filter(({ value }) => value))
  }
  const seen = changes.map(({ value, headers }) => [
    value?.id,
    sees(metadata, String(headers.txids?.[0])),
  ])
  expect(seen).toEqual([
    ['done', true],
    ['last', false],
    ['first', false],
  ])
})
