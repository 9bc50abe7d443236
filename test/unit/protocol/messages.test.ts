import { describe, expect, test } from 'vitest'
import {
  changeMessages,
  createRowWriter,
  finishTransaction,
  type MessageShape,
  rowKey,
  type ShapeChange,
} from '../../../src/dev/protocol/messages.ts'

const shape: MessageShape = {
  relation: ['public', 'items'],
  keyColumns: ['id'],
  columns: ['id', 'a', 'b'],
  replica: 'default',
}
const place = { txid: 7, lsn: 42n, position: 4 }
const row = { id: '1', a: 'one', b: null }

function messagesOf(change: ShapeChange, replica: 'default' | 'full' = 'default') {
  const drafts = changeMessages({ ...shape, replica }, change, place)
  return finishTransaction(drafts).map(({ json }) => JSON.parse(json))
}

describe('the messages of a change', () => {
  test('an insert carries the whole row', () => {
    expect(messagesOf({ operation: 'insert', row })).toEqual([
      {
        key: '"public"."items"/"1"',
        value: row,
        headers: {
          operation: 'insert',
          relation: ['public', 'items'],
          lsn: '42',
          op_position: 4,
          txids: [7],
          last: true,
        },
      },
    ])
  })

  test('an update carries the key and the changed columns; with replica=full all columns and old values', () => {
    const change: ShapeChange = { operation: 'update', old: row, row: { ...row, b: '2' } }
    expect(messagesOf(change)[0].value).toEqual({ id: '1', b: '2' })
    const [full] = messagesOf(change, 'full')
    expect([full.value, full.old_value]).toEqual([{ id: '1', a: 'one', b: '2' }, { b: null }])
  })

  test('an update that changes no column of the shape sends nothing', () => {
    expect(messagesOf({ operation: 'update', old: row, row: { ...row, unselected: 'x' } })).toEqual(
      [],
    )
  })

  test('an update of the key becomes a delete and an insert that refer to each other', () => {
    const messages = messagesOf({ operation: 'update', old: row, row: { ...row, id: '2' } })
    expect(messages.map(({ headers }) => headers)).toMatchObject([
      { operation: 'delete', op_position: 4, key_change_to: '"public"."items"/"2"' },
      { operation: 'insert', op_position: 5, key_change_from: '"public"."items"/"1"', last: true },
    ])
    expect(messages[0].headers.last).toBeUndefined()
  })

  test('an update lists the tags it removes', () => {
    const tags = { tags: ['b'], active: [true] }
    const [message] = messagesOf({
      operation: 'update',
      old: row,
      row: { ...row, a: 'x' },
      tags,
      oldTags: { tags: ['a'], active: [true] },
    })
    expect(message.headers).toMatchObject({ tags: ['b'], removed_tags: ['a'] })
  })

  test('a row read by a query carries no transaction', () => {
    expect(JSON.parse(createRowWriter(shape)(row, undefined, { is_move_in: true }))).toEqual({
      key: '"public"."items"/"1"',
      value: row,
      headers: { operation: 'insert', relation: ['public', 'items'], is_move_in: true },
    })
  })
})

test('keys double slashes, keep quotes and write null as _', () => {
  const key = rowKey(['a', 'b'], ['x', 'y', 'z'], { x: 't/1', y: 'b"c', z: null })
  expect(key).toBe('"a"."b"/"t//1"/"b"c"/_')
})
