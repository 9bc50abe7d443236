import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cases } from '../../support/property.ts'
import { ada, insertSession, insertThread, type StoreFixture, startStore } from './store-fixture.ts'
import { expectTrueCounters } from './true-counters.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

beforeEach(async () => {
  await fixture.rows('DELETE FROM sessions')
  await fixture.write(
    ada,
    insertSession('s'),
    ...['t1', 't2', 't3'].map((id) => insertThread('s', id, { status: 'archived' })),
  )
})

const INSERT = `
  INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)`

function thread(id: string) {
  return fixture
    .rows(
      `SELECT message_count, last_position::int, last_message_preview, version
       FROM chat_threads WHERE id = $1`,
      [id],
    )
    .then(([row]) => row)
}

test('the triggers of a new message have no WHEN condition, which each statement would parse', async () => {
  const conditions = await fixture.rows(
    `SELECT tgname FROM pg_trigger
     WHERE tgqual IS NOT NULL AND tgrelid IN ('chat_threads'::regclass, 'chat_messages'::regclass)`,
  )
  expect(conditions).toEqual([{ tgname: 'chat_messages_fold_deltas' }])
})

describe('counters stay correct after', () => {
  test('one insert of many rows into three threads, which raises each version by one', async () => {
    const perThread = cases(1_000, 10_000)
    await fixture.rows(`${INSERT}
      SELECT 'acme', 'm' || n, 't' || (n % 3 + 1), 's', 'ada', 'user', 'text ' || n, n / 3 + 1
      FROM generate_series(0, ${3 * perThread - 1}) n`)
    expect(await thread('t1')).toEqual({
      message_count: perThread,
      last_position: perThread,
      last_message_preview: `text ${3 * perThread - 3}`,
      version: 2,
    })
    await expectTrueCounters(fixture.pool)
  })

  test('inserts at decreasing positions', async () => {
    for (const position of [5, 3, 4, 1, 7]) {
      await fixture.rows(
        `${INSERT} VALUES ('acme', 'p' || $1, 't1', 's', 'ada', 'user', $1, $1::int)`,
        [String(position)],
      )
      await expectTrueCounters(fixture.pool)
    }
    expect(await thread('t1')).toMatchObject({ last_position: 7, last_message_preview: '7' })
  })

  test('an insert below the last position and above all remaining messages', async () => {
    await fixture.rows(`${INSERT}
      SELECT 'acme', 'q' || n, 't1', 's', 'ada', 'user', n, n FROM generate_series(1, 9) n`)
    await fixture.rows('DELETE FROM chat_messages WHERE position > 5')
    await fixture.rows(`${INSERT} VALUES ('acme', 'q', 't1', 's', 'ada', 'user', 'seven', 7)`)
    expect(await thread('t1')).toMatchObject({
      message_count: 6,
      last_position: 9,
      last_message_preview: 'seven',
    })
  })

  test('updates that move, reorder and edit many rows', async () => {
    await fixture.rows(`${INSERT}
      SELECT 'acme', 'r' || n, 't' || (n % 2 + 1), 's', 'ada', 'user', 'text ' || n, n
      FROM generate_series(1, 40) n`)
    await fixture.rows("UPDATE chat_messages SET thread_id = 't3' WHERE position % 4 = 0")
    await expectTrueCounters(fixture.pool)
    await fixture.rows('UPDATE chat_messages SET position = 1000 - position')
    await expectTrueCounters(fixture.pool)
    await fixture.rows("UPDATE chat_messages SET content = 'edited ' || id")
    await expectTrueCounters(fixture.pool)
    expect(await thread('t3')).toMatchObject({
      message_count: 10,
      last_message_preview: 'edited r4',
    })
  })

  test('tool calls, which count but give no preview', async () => {
    await fixture.rows(`${INSERT} VALUES
      ('acme', 'said', 't1', 's', 'ada', 'user', 'said', 1),
      ('acme', 'tool', 't1', 's', 'ada', 'tool', 'read_file', 2)`)
    await expectTrueCounters(fixture.pool)
    const counted = { message_count: 2, last_position: 2, last_message_preview: 'said' }
    expect(await thread('t1')).toMatchObject(counted)
    await fixture.rows("UPDATE chat_messages SET role = 'assistant' WHERE id = 'tool'")
    expect(await thread('t1')).toMatchObject({ last_message_preview: 'read_file' })
    await fixture.rows("DELETE FROM chat_messages WHERE id = 'said'")
    await fixture.rows("UPDATE chat_messages SET role = 'tool' WHERE id = 'tool'")
    expect(await thread('t1')).toMatchObject({ message_count: 1, last_message_preview: null })
  })

  test('deletes of all messages and of a thread', async () => {
    await fixture.rows(`${INSERT}
      SELECT 'acme', 'd' || n, 't' || (n % 2 + 1), 's', 'ada', 'user', n, n
      FROM generate_series(1, 40) n`)
    await fixture.rows("DELETE FROM chat_threads WHERE id = 't2'")
    await fixture.rows('DELETE FROM chat_messages')
    expect(await thread('t1')).toMatchObject({
      message_count: 0,
      last_position: 40,
      last_message_preview: null,
    })
  })

  test('an edit beyond the preview, which leaves the thread unchanged', async () => {
    const beginning = 'x'.repeat(280)
    await fixture.rows(`${INSERT} VALUES ('acme', 'e', 't1', 's', 'ada', 'user', $1, 1)`, [
      beginning,
    ])
    const before = await thread('t1')
    await fixture.rows("UPDATE chat_messages SET content = content || 'more'")
    expect(await thread('t1')).toEqual(before)
  })
})

describe('versions', () => {
  test('rise with every update, and keep an explicit `updated_at`', async () => {
    await fixture.rows('UPDATE sessions SET title = title')
    await fixture.rows("UPDATE sessions SET updated_at = '2001-01-01Z', version = 70")
    expect(await fixture.rows('SELECT version, updated_at FROM sessions')).toEqual([
      { version: 3, updated_at: new Date('2001-01-01Z') },
    ])
  })
})

describe('a message cannot be', () => {
  test('in another session than its thread', async () => {
    await fixture.write(ada, insertSession('other'))
    await expect(
      fixture.rows(`${INSERT} VALUES ('acme', 'x', 't1', 'other', 'ada', 'user', '', 1)`),
    ).rejects.toThrow(/chat_messages_thread_fkey/)
  })
  test('in a thread of another tenant', async () => {
    await expect(
      fixture.rows(`${INSERT} VALUES ('rival', 'x', 't1', 's', 'ada', 'user', '', 1)`),
    ).rejects.toThrow(/chat_messages_thread_fkey/)
  })
})
