import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  closedCalls,
  foldDeltas,
  type JsonValue,
  type MessageDelta,
  type PartEdit,
} from '../../../src/schema/index.ts'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { markAbandonedMessages } from '../../../src/server/streaming/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

beforeEach(async () => {
  await fixture.rows('DELETE FROM sessions')
  await fixture.write(
    ada,
    insertSession('s', { visibility: 'tenant' }),
    insertThread('s', 't'),
    streaming('m'),
  )
})

function streaming(id: string, more: object = {}): MutationInput {
  const metadata = { stream: { writer: 'w1' }, kept: true }
  return insertMessage('t', id, {
    role: 'assistant',
    content: '',
    status: 'streaming',
    metadata,
    ...more,
  })
}

function append(seq: number, ...texts: (string | MessageDelta)[]): MutationInput {
  const deltas = texts.map((text) => (typeof text === 'string' ? { delta: text } : text)) as {
    delta: string
    part?: PartEdit
  }[]
  return { collection: 'chatMessages', type: 'append', id: 'm', writer: 'w1', seq, deltas }
}

function update(changes: object): MutationInput {
  return { collection: 'chatMessages', type: 'update', id: 'm', changes }
}

async function message(id = 'm') {
  const [row] = await fixture.rows('SELECT * FROM chat_messages WHERE id = $1', [id])
  return row
}

const deltaCount = async () => (await fixture.rows('SELECT FROM chat_message_deltas')).length

describe('an append', () => {
  test('leaves the message unchanged until the end of the stream folds the text', async () => {
    await fixture.write(ada, append(0, 'Hel', 'lo'))
    const { txid, mutations } = await fixture.write(ada, append(2, ' world'))
    expect(txid).toEqual(expect.any(Number))
    expect(mutations).toEqual([{ collection: 'chatMessages', type: 'append', id: 'm', version: 1 }])
    expect(await message()).toMatchObject({ content: '', version: 1, status: 'streaming' })
    expect((await fixture.store.readMessage(ada, 'm'))?.content).toBe('Hello world')
    await fixture.write(ada, update({ status: 'complete' }))
    expect(await message()).toMatchObject({
      content: 'Hello world',
      parts: [],
      status: 'complete',
      version: 2,
      metadata: { kept: true },
    })
    expect(await deltaCount()).toBe(0)
    const [thread] = await fixture.rows('SELECT last_message_preview FROM chat_threads')
    expect(thread).toEqual({ last_message_preview: 'Hello world' })
  })

  test('stores no batch id, and a repeated delta once', async () => {
    const batch = { id: randomUUID(), mutations: [append(0, 'a', 'b')] }
    const before = await fixture.rows('SELECT FROM applied_batches')
    await fixture.store.write(ada, batch)
    const again = await fixture.store.write(ada, batch)
    const underAnotherId = await fixture.write(ada, append(0, 'a', 'b'))
    expect([again.txid, underAnotherId.txid]).toEqual([null, null])
    expect((await fixture.rows('SELECT FROM applied_batches')).length).toBe(before.length)
    expect((await fixture.store.readMessage(ada, 'm'))?.content).toBe('ab')
  })

  test('sent twice concurrently is stored once', async () => {
    const sends = Array.from({ length: 8 }, () => fixture.write(ada, append(0, 'a', 'b')))
    const txids = (await Promise.all(sends)).map(({ txid }) => txid)
    expect(txids.filter((txid) => txid !== null)).toHaveLength(1)
    expect((await fixture.store.readMessage(ada, 'm'))?.content).toBe('ab')
  })

  test('waits for a concurrent end of the stream and is then refused', async () => {
    await fixture.write(ada, append(0, 'a'))
    const client = await fixture.pool.connect()
    try {
      await client.query("BEGIN; UPDATE chat_messages SET status = 'complete' WHERE id = 'm'")
      const refused = refusalOf(fixture.write(ada, append(1, 'late')))
      let isDone = false
      void refused.finally(() => (isDone = true)).catch(() => undefined)
      await eventually(async () => {
        const [row] = await fixture.rows(
          `SELECT count(*)::int AS waiting FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        expect(isDone || row?.waiting === 1).toBe(true)
      })
      await client.query('COMMIT')
      expect(await refused).toMatchObject({ code: 'conflict' })
    } finally {
      client.release()
    }
    expect(await message()).toMatchObject({ content: 'a', status: 'complete' })
    expect(await deltaCount()).toBe(0)
  })

  test.each([
    ['a gap', append(2, 'x')],
    ['other text under the same number', append(0, 'x')],
    ['half of it new', append(0, 'a', 'x')],
    ['another writer', { ...append(1, 'x'), writer: 'w2' } as MutationInput],
  ])('with %s is a conflict', async (_, mutation) => {
    await fixture.write(ada, append(0, 'a'))
    expect(await refusalOf(fixture.write(ada, mutation))).toMatchObject({ code: 'conflict' })
    expect((await fixture.store.readMessage(ada, 'm'))?.content).toBe('a')
  })

  test('to an ended message is a conflict', async () => {
    await fixture.write(ada, update({ status: 'error' }))
    expect(await refusalOf(fixture.write(ada, append(0, 'a')))).toMatchObject({ code: 'conflict' })
  })

  test('is allowed to the author and the session’s owner, and not_found for strangers', async () => {
    expect(await refusalOf(fixture.write(bob, append(0, 'a')))).toMatchObject({ code: 'forbidden' })
    expect(await refusalOf(fixture.write(stranger, append(0, 'a')))).toMatchObject({
      code: 'not_found',
    })
    expect(await fixture.store.readMessage(stranger, 'm')).toBeUndefined()
    expect((await fixture.store.readMessage(bob, 'm'))?.id).toBe('m')
    expect(await deltaCount()).toBe(0)
  })

  test('in a batch of several is part of the transaction', async () => {
    const bad = update({ status: 'complete' })
    const batch = [append(0, 'a'), { ...bad, expectedVersion: 9 } as MutationInput]
    expect(await refusalOf(fixture.write(ada, ...batch))).toMatchObject({ code: 'conflict' })
    expect(await deltaCount()).toBe(0)
    await fixture.write(ada, append(0, 'a'), bad)
    expect(await message()).toMatchObject({ content: 'a', status: 'complete' })
  })

  test.each([
    ['maxStreamedBytes', { maxStreamedBytes: 1_000 }, 'x'.repeat(100)],
    ['maxStreamedDeltas', { maxStreamedDeltas: 8 }, 'x'],
  ])('that would exceed %s is refused, also after a resume', async (name, limits, delta) => {
    const store = createSessionStore({ database: fixture.pool, limits })
    const write = (...mutations: MutationInput[]) =>
      store.write(ada, { id: randomUUID(), mutations })
    const pair = [delta, { delta: '', part: { at: 1, set: { type: 'step-start' } } }]
    let seq = 0
    const fill = async () => {
      for (; seq < 100; seq += 2) await write(append(seq, ...pair))
    }
    expect(await refusalOf(fill())).toMatchObject({ code: 'too_large', details: { name } })
    expect(seq).toBeGreaterThanOrEqual(8)
    expect(seq).toBeLessThan(20)
    // Accepted deltas are stored, may be sent again, and the message can be ended and resumed.
    expect(await deltaCount()).toBe(seq)
    expect((await write(append(seq - 2, ...pair))).txid).toBeNull()
    await write(update({ status: 'error' }))
    await write(update({ status: 'streaming', metadata: { stream: { writer: 'w1', from: seq } } }))
    const resumed = write(append(seq, delta))
    if (name === 'maxStreamedDeltas') await resumed
    else expect(await refusalOf(resumed)).toMatchObject({ code: 'too_large' })
  })

  test('is deleted with its message', async () => {
    await fixture.write(ada, append(0, 'a'))
    await fixture.write(ada, { collection: 'sessions', type: 'delete', id: 's' })
    expect(await deltaCount()).toBe(0)
  })
})

describe('the end of a stream', () => {
  test('waits for a concurrent append', async () => {
    const client = await fixture.pool.connect()
    await client.query('BEGIN')
    await client.query(`SELECT FROM chat_messages WHERE id = 'm' FOR SHARE`)
    await client.query(`INSERT INTO chat_message_deltas VALUES ('acme', 'm', 0, 's', '1', 'late')`)
    const ended = fixture.write(ada, update({ status: 'complete' }))
    await fixture.untilBlocked()
    await client.query('COMMIT')
    client.release()
    await ended
    expect(await message()).toMatchObject({ content: 'late', status: 'complete' })
  })

  test('takes time in proportion to the number of deltas', async () => {
    const timeOf = async (count: number) => {
      await fixture.rows('DELETE FROM chat_message_deltas')
      await fixture.rows(
        `UPDATE chat_messages SET status = 'streaming', content = '', parts = '[]' WHERE id = 'm'`,
      )
      await fixture.rows(
        `INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta, part)
         SELECT 'acme', 'm', n, 's', '1',
           CASE WHEN n % 10 = 0 THEN '' ELSE repeat('x', 40) END,
           CASE WHEN n % 10 = 0 THEN jsonb_build_object('at', n / 5, 'set', '{"type": "tool-a"}'::jsonb)
             ELSE jsonb_build_object('at', n / 5, 'merge', '{"state": "done"}'::jsonb) END
         FROM generate_series(0, $1::int - 1) AS n`,
        [count],
      )
      const start = performance.now()
      await fixture.rows(`UPDATE chat_messages SET status = 'error' WHERE id = 'm'`)
      const [row] = await fixture.rows(
        `SELECT jsonb_array_length(parts) AS parts FROM chat_messages WHERE id = 'm'`,
      )
      expect(row?.parts).toBe(count / 5)
      return performance.now() - start
    }
    await timeOf(10)
    expect(await timeOf(10_000)).toBeLessThan(5_000)
  })

  test('closes open tool calls if the message fails, also in the mock', async () => {
    const call = (toolCallId: string, state: string) => ({ type: 'tool-a', toolCallId, state })
    const states = ['input-streaming', 'approval-requested', 'approval-responded', 'output-denied']
    const parts = [
      { type: 'text', text: 'Hm' },
      ...states.map((state) => call(state, state)),
      { type: 'dynamic-tool', toolName: 'b', toolCallId: 'c', state: 'input-available', input: 1 },
      { type: 'tool-a', state: 'input-available' },
    ]
    const deltas = parts.map((set, at) => ({ delta: '', part: { at, set } }))
    await fixture.write(ada, append(0, ...deltas))
    await fixture.write(ada, update({ status: 'error' }))
    const stored = await message()
    expect(stored).toMatchObject({ parts: closedCalls(parts) })
    const isClosed = (part: { state?: string }) => part.state === 'output-error'
    expect(((stored?.parts ?? []) as { state?: string }[]).map(isClosed)).toEqual([
      false,
      true,
      true,
      true,
      false,
      true,
      false,
    ])
  })

  test('keeps values that the update sets', async () => {
    await fixture.write(ada, append(0, 'streamed'))
    await fixture.write(ada, update({ status: 'complete', content: 'Edited.' }))
    expect(await message()).toMatchObject({ content: 'Edited.' })
    expect(await deltaCount()).toBe(0)
  })

  test('lets a new writer continue and rejects the previous one', async () => {
    await fixture.write(ada, append(0, 'one '))
    await fixture.write(ada, update({ metadata: { stream: { writer: 'w2' } } }))
    expect(await message()).toMatchObject({
      content: 'one ',
      status: 'streaming',
      metadata: { stream: { writer: 'w2', from: 1 } },
    })
    expect(await refusalOf(fixture.write(ada, append(1, 'old')))).toMatchObject({
      code: 'conflict',
    })
    await fixture.write(ada, { ...append(1, 'two'), writer: 'w2' } as MutationInput)
    expect((await fixture.store.readMessage(ada, 'm'))?.content).toBe('one two')
    await fixture.write(ada, update({ status: 'error' }))
    expect(await message()).toMatchObject({ content: 'one two', metadata: { stream: { from: 2 } } })
  })

  test('ignores malformed metadata', async () => {
    await fixture.rows(
      `UPDATE chat_messages SET metadata = '{"stream": {"writer": "w1", "from": "x"}}'`,
    )
    await fixture.write(ada, append(0, 'a'))
    await fixture.rows(`UPDATE chat_messages SET metadata = '{"stream": [1]}'`)
    await fixture.write(ada, update({ status: 'error' }))
    expect(await message()).toMatchObject({ content: 'a', metadata: { stream: { from: 1 } } })
  })
})

describe('markAbandonedMessages', () => {
  test('reports and skips a message that fails, and marks the others', async () => {
    await fixture.write(ada, streaming('poisoned'), streaming('fine'))
    await fixture.rows(`UPDATE chat_messages SET updated_at = now() - interval '1 hour'`)
    await fixture.rows(`
      CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = '54000'; END $$;
      CREATE TRIGGER poison BEFORE UPDATE ON chat_messages
        FOR EACH ROW WHEN (OLD.id = 'poisoned') EXECUTE FUNCTION poison()`)
    const errors: unknown[] = []
    const run = () =>
      markAbandonedMessages({ database: fixture.pool, onError: (error) => errors.push(error) })
    const marked = await run()
    expect(marked.map(({ id }) => id).sort()).toEqual(['fine', 'm'])
    expect(errors).toMatchObject([{ code: '54000' }])
    expect(await run()).toEqual([])
    expect(errors).toHaveLength(1)
    await fixture.rows('DROP FUNCTION poison CASCADE')
  })
})

const text = fc.constantFrom('', 'a', 'é ', '👋', '"\\')
const properties = fc.dictionary(
  fc.constantFrom('type', 'text', 'state', 'n'),
  fc.constantFrom<JsonValue>('text', 'reasoning', 'tool-a', 1, null, { a: [1] }),
)
const part: fc.Arbitrary<PartEdit> = fc.record(
  { at: fc.nat(4), set: properties, merge: properties },
  { requiredKeys: ['at'] },
)
const anyDelta: fc.Arbitrary<MessageDelta> = fc.oneof(
  fc.record({ delta: text }),
  fc.record({ delta: text, part }),
)

test('folds deltas in the database like in the browser', async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('', 'before'),
      fc.constantFrom([], [{ type: 'text', text: 'before' }], [{ type: 'x' }, 1], ['text']),
      fc.array(anyDelta, { minLength: 1, maxLength: 8 }),
      async (content, parts, deltas) => {
        const id = `p${count++}`
        await fixture.write(ada, streaming(id, { content, parts }))
        await fixture.write(ada, { ...append(0, ...deltas), id } as MutationInput)
        const expected = foldDeltas({ content, parts }, deltas)
        expect(await fixture.store.readMessage(ada, id)).toMatchObject(expected)
        await fixture.write(ada, { ...update({ status: 'complete' }), id } as MutationInput)
        expect(await message(id)).toMatchObject(expected)
      },
    ),
    { numRuns: cases(150, 3_000) },
  )
})
