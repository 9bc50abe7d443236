import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { freshDatabase } from '../../support/database.ts'

const searchPath = '-csearch_path=apart'

test('is unaffected by a search path in the connection options of the server or of a writer', async () => {
  const database = await freshDatabase()
  const url = new URL(database.url)
  url.searchParams.set('options', searchPath)
  const writer = new Client({ connectionString: database.url, options: searchPath })
  await writer.connect()
  const server = await createShapeServer({ database: url.href })
  try {
    await writer.query(`CREATE SCHEMA apart; CREATE TYPE mood AS ENUM ('ok');
      CREATE TABLE notes (id int PRIMARY KEY, mood mood); INSERT INTO notes VALUES (1, 'ok');
      CREATE TABLE public.notes (id int PRIMARY KEY); INSERT INTO public.notes VALUES (7), (8)`)
    const read = async (query: Record<string, string>) => {
      const request = new Request(`http://x/v1/shape?${new URLSearchParams(query)}`)
      const answer = await server.fetch(request)
      const messages = (await answer.json()) as { key?: string; value?: object }[]
      const rows = messages.filter(({ key }) => key).map(({ key, value }) => [key, value])
      const handle = answer.headers.get('electric-handle') ?? ''
      return { rows, handle, offset: answer.headers.get('electric-offset') ?? '' }
    }
    expect((await read({ table: 'notes', offset: '-1' })).rows).toEqual([
      ['"public"."notes"/"7"', { id: '7' }],
      ['"public"."notes"/"8"', { id: '8' }],
    ])
    const apart = { table: 'apart.notes', where: 'id IN (SELECT id FROM apart.notes WHERE id < 5)' }
    const { rows, handle } = await read({ ...apart, offset: '-1' })
    expect(rows).toEqual([['"apart"."notes"/"1"', { id: '1', mood: 'ok' }]])
    const live = read({ ...apart, handle, offset: '0_inf', live: 'true' })
    await writer.query(`INSERT INTO notes VALUES (2, 'ok')`)
    expect((await live).rows).toEqual([['"apart"."notes"/"2"', { id: '2', mood: 'ok' }]])
  } finally {
    await server.close()
    await writer.end()
    await database.drop()
  }
})
