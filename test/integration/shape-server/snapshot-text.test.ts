import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRowWriter } from '../../../src/dev/protocol/messages.ts'
import { fc } from '../../support/property.ts'
import { type ShapeFixture, startFixture } from './fixture.ts'

let fixture: ShapeFixture

beforeAll(async () => {
  fixture = await startFixture(
    `CREATE TABLE "odd "" table" (id int, "k/\\" text, v text, flag boolean, PRIMARY KEY (id, "k/\\"))`,
  )
})

afterAll(() => fixture?.close())

const oddCharacters = ['"', '\\', '/', '\\N', '\t', '\n', '\v', '\b', '\u0001', '\u007f', '\u2028']
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...oddCharacters, 'ä', '😀', ' '),
      fc.string({ unit: 'binary-ascii' }),
      fc.string({ unit: 'grapheme' }),
    ),
  )
  .map((parts) => parts.join('').replaceAll('\0', ''))

test('writes snapshot rows byte for byte like single rows', async () => {
  const cells = fc.record({
    'k/\\': text,
    v: fc.option(text),
    flag: fc.constantFrom('true', 'false', null),
  })
  const rows = fc.sample(cells, 500).map((row, id) => ({ id: String(id), ...row }))
  await fixture.sql.query(
    `INSERT INTO "odd "" table" SELECT * FROM json_populate_recordset(NULL::"odd "" table", $1)`,
    [JSON.stringify(rows)],
  )
  const writeRow = createRowWriter({
    relation: ['public', 'odd " table'],
    keyColumns: ['id', 'k/\\'],
    columns: ['id', 'k/\\', 'v', 'flag'],
    replica: 'default',
  })
  const answer = await fixture.get({ table: '"odd "" table"', offset: '-1' })
  const lines = (await answer.text()).slice(1, -1).split('\n,')
  expect(lines.slice(0, -1).sort()).toEqual(rows.map((row) => writeRow(row)).sort())
})
