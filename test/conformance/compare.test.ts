import { expect, test } from 'vitest'
import { compareResponse } from './compare.ts'
import { createPlaceholders } from './placeholders.ts'
import type { RecordedResponse, Recording } from './recording.ts'

const recording: Recording = {
  name: 'sample',
  setup: [],
  steps: [],
  placeholders: { '{{offset:1}}': '{{lsn:1}}_2' },
  txidOrder: ['{{txid:a}}', '{{txid:b}}'],
}

const recorded: RecordedResponse = {
  status: 200,
  headers: { etag: '"{{handle:1}}:-1:{{offset:1}}"' },
  body: [{ headers: { txids: ['{{txid:a}}'], lsn: '{{lsn:1}}', xmin: '{{xid:1}}', xip_list: [] } }],
}

function differenceOf(change: {
  status?: number
  etag?: string
  headers?: Record<string, unknown>
}): string | undefined {
  const placeholders = createPlaceholders(recording)
  placeholders.bind('{{txid:a}}', '700')
  placeholders.bind('{{txid:b}}', '705')
  const headers = { txids: [700], lsn: '42', xmin: '703', xip_list: ['699'], ...change.headers }
  const actual = {
    status: change.status ?? 200,
    headers: new Headers({ etag: change.etag ?? '"1-2:-1:42_2"' }),
    text: JSON.stringify([{ headers }]),
  }
  try {
    compareResponse(recorded, actual, new Set(['etag']), placeholders)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

test('an answer that fits every placeholder is the same', () => {
  expect(differenceOf({})).toBeUndefined()
})

test.each([
  ['another status', { status: 409 }, 'status'],
  ['an offset of another transaction', { etag: '"1-2:-1:43_2"' }, 'lsn:1'],
  ['another position', { etag: '"1-2:-1:42_4"' }, 'header etag'],
  ['another txid', { headers: { txids: [705] } }, 'txid:a'],
  ['a snapshot that saw another number of transactions', { headers: { xmin: '706' } }, 'xid:1'],
  ['one of its own transactions in xip_list', { headers: { xip_list: ['705'] } }, 'xip_list'],
  ['a header too many in a message', { headers: { last: true } }, 'last'],
])('%s is a difference', (_what, change, mention) => {
  expect(differenceOf(change)).toContain(mention)
})

test('what an answer that differs has bound is forgotten', () => {
  const placeholders = createPlaceholders(recording)
  const attempt = (handle: string, end: string) => () =>
    placeholders.attempt(() => {
      placeholders.matchText('{{handle:1}}', handle, 'first')
      placeholders.matchText('same', end, 'second')
    })
  expect(attempt('1-1', 'other')).toThrow('second')
  expect(attempt('2-2', 'same')).not.toThrow()
  expect(attempt('1-1', 'same')).toThrow('2-2')
})
