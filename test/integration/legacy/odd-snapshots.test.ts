import { describe, expect, test } from 'vitest'
import { formatImportReport, importLegacySnapshots } from '../../../src/legacy/index.ts'
import { useDatabase, useDirectories } from './legacy-fixture.ts'

const database = useDatabase()
const writeFiles = useDirectories()

let tenants = 0
function newTenant(): string {
  tenants += 1
  return `tenant-${tenants}`
}

const time = (minute: number) => new Date(Date.UTC(2025, 11, 1, 12, minute)).toISOString()

const thread = (id: string, more: object = {}) => ({
  id,
  sessionId: 's1',
  mode: 'session',
  title: `Title of ${id}`,
  status: 'active',
  messageCount: 0,
  createdAt: time(0),
  updatedAt: time(30),
  ...more,
})

const message = (id: string, more: object = {}) => ({
  id,
  sessionId: 's1',
  mode: 'session',
  threadId: 'th1',
  role: 'user',
  content: `Text of ${id}`,
  createdAt: time(1),
  updatedAt: time(1),
  ...more,
})

async function run(
  files: { threads?: unknown; messages?: unknown; tools?: unknown },
  tenantId = newTenant(),
) {
  const directory = await writeFiles({
    ...(files.threads === undefined ? {} : { 'chat-threads.json': files.threads }),
    ...(files.messages === undefined ? {} : { 'chat-messages.json': files.messages }),
    ...(files.tools === undefined ? {} : { 'chat-tool-events.json': files.tools }),
  })
  const options = { database: database.pool, directory, tenantId, userId: 'ada' }
  const report = await importLegacySnapshots(options)
  const rows = async (sql: string) => (await database.pool.query(sql, [tenantId])).rows
  return {
    report,
    again: () => importLegacySnapshots(options),
    tenantId,
    threads: await rows(
      `SELECT id, session_id, mode, title, status, message_count, metadata, last_message_preview,
         last_message_at FROM chat_threads
       WHERE tenant_id = $1 ORDER BY created_at, id`,
    ),
    messages: await rows(
      `SELECT id, thread_id, session_id, role, content, position::int, client_message_id, metadata
       FROM chat_messages WHERE tenant_id = $1 ORDER BY thread_id, position`,
    ),
  }
}

describe('files', () => {
  test('may be missing, which the report shows', async () => {
    const { report } = await run({})
    expect(report).toMatchObject({ ok: true, changed: false, files: [{ found: false }, {}, {}] })
    expect(formatImportReport(report)).toContain('chat-threads.json: not found')
  })

  test.each([
    ['[{"id": nope}]', /chat-threads\.json is not valid JSON at line 1, column 9\./],
    ['[\n  {"id": "a"},\n', /chat-threads\.json is not valid JSON at line 3, column 1\./],
    ['', /chat-threads\.json is not valid JSON at line 1, column 1\./],
    ['{"id": "a"}', /chat-threads\.json must hold a JSON array/],
    ['null', /chat-threads\.json must hold a JSON array/],
  ])(
    'that contain %j are refused with file and line, and nothing is written',
    async (text, error) => {
      const before = await database.everyRow()
      const failing = run({ threads: text, messages: [message('m1')] })
      await expect(failing).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringMatching(error),
      })
      expect(await database.everyRow()).toEqual(before)
    },
  )
})

describe('threads', () => {
  test('the newest of several active ones stays active, in any order of the file', async () => {
    const { threads, report } = await run({
      threads: [
        thread('old', { createdAt: time(1) }),
        thread('new', { createdAt: time(3) }),
        thread('middle', { createdAt: time(2) }),
        thread('general', { createdAt: time(0), mode: 'general' }),
      ],
    })
    expect(threads.map(({ id, status }) => [id, status])).toEqual([
      ['general', 'active'],
      ['old', 'archived'],
      ['middle', 'archived'],
      ['new', 'active'],
    ])
    expect(report.notes.map(({ id }) => id)).toEqual(['old', 'middle'])
    expect(report.ok).toBe(true)
  })

  test('the one active in the database stays active', async () => {
    const { tenantId } = await run({ threads: [thread('live', { createdAt: time(0) })] })
    const { threads, report } = await run(
      { threads: [thread('th2', { createdAt: time(9) })] },
      tenantId,
    )
    expect(threads.map(({ id, status }) => [id, status])).toEqual([
      ['live', 'active'],
      ['th2', 'archived'],
    ])
    expect(report).toMatchObject({ ok: true, notes: [{ id: 'th2' }] })
  })

  test('a wrong messageCount is reported and replaced by the real one', async () => {
    const { report, threads } = await run({
      threads: [thread('th1', { messageCount: 7 })],
      messages: [message('m1')],
    })
    expect(report.perThread).toMatchObject([{ declaredCount: 7, fileCount: 1, databaseCount: 1 }])
    expect(threads).toMatchObject([{ message_count: 1 }])
    expect(report.ok).toBe(true)
  })

  test('a messageCount without tool events is right, and they give no preview', async () => {
    const tool = { sessionId: 's1', toolName: 'look', startedAt: time(5) }
    const { report, threads } = await run({
      threads: [
        thread('th1'),
        thread('th2', { mode: 'general', messageCount: 1 }),
        thread('th3', { status: 'archived', messageCount: 3 }),
      ],
      messages: [
        message('m1', { threadId: 'th2', mode: 'general' }),
        message('m2', { threadId: 'th3' }),
      ],
      tools: ['th1', 'th1', 'th2', 'th3'].map((threadId, n) => ({
        ...tool,
        id: `e${n}`,
        threadId,
      })),
    })
    expect(report.perThread).toMatchObject([
      { id: 'th1', declaredCount: 0, fileCount: 2, toolEventCount: 2 },
      { id: 'th2', declaredCount: 1, fileCount: 2, toolEventCount: 1 },
      { id: 'th3', declaredCount: 3, fileCount: 2, toolEventCount: 1 },
    ])
    const printed = formatImportReport(report)
    expect(printed.match(/messageCount/g)).toHaveLength(1)
    expect(printed).toContain('messageCount is 3, but the files contain 1 messages')
    expect(threads).toMatchObject([
      { id: 'th1', message_count: 2, last_message_preview: null, last_message_at: null },
      { id: 'th2', message_count: 2, last_message_preview: 'Text of m1' },
      { id: 'th3', message_count: 2, last_message_preview: 'Text of m2' },
    ])
  })

  test('unknown fields go to metadata; invalid ones get a default and a note', async () => {
    const { threads, report } = await run({
      threads: [
        thread('th1', { colour: 'red', lastMessagePreview: 'x' }),
        thread('th2', { title: '', status: 'gone', createdAt: 'yesterday', mode: 'general' }),
      ],
    })
    expect(threads).toMatchObject([
      { id: 'th1', metadata: { colour: 'red' } },
      { id: 'th2', title: 'General', status: 'archived' },
    ])
    expect(threads[0].metadata).not.toHaveProperty('lastMessagePreview')
    expect(report.notes.filter(({ id }) => id === 'th2')).toHaveLength(5)
  })
})

describe('messages', () => {
  test('are ordered by time, then as in the file', async () => {
    const { messages } = await run({
      threads: [thread('th1')],
      messages: [
        message('c', { createdAt: time(2) }),
        message('b2', { createdAt: time(1) }),
        message('b1', { createdAt: time(1) }),
        message('a', { createdAt: time(0) }),
      ],
    })
    expect(messages.map(({ id, position }) => [id, position])).toEqual([
      ['a', 1],
      ['b2', 2],
      ['b1', 3],
      ['c', 4],
    ])
  })

  test('without a threadId go to the active thread', async () => {
    const { messages } = await run({
      threads: [thread('gone', { status: 'archived' }), thread('th1')],
      messages: [message('m1', { threadId: undefined }), message('m2', { threadId: null })],
    })
    expect(messages.map(({ thread_id }) => thread_id)).toEqual(['th1', 'th1'])
  })

  test('without a threadId or active thread create one with the same id in every run', async () => {
    const files = {
      threads: [thread('gone', { status: 'archived' })],
      messages: [
        message('m1', { threadId: undefined }),
        message('m2', { threadId: undefined, mode: 'general', sessionId: 's2' }),
      ],
    }
    const first = await run(files)
    expect(first.report.ok).toBe(true)
    const made = first.threads.filter(({ id }) => id !== 'gone')
    expect(
      made.map(({ title, status, mode, session_id }) => [title, status, mode, session_id]).sort(),
    ).toEqual([
      ['General', 'active', 'general', 's2'],
      ['Session Coach #2', 'active', 'session', 's1'],
    ])
    expect(await first.again()).toMatchObject({ ok: true, changed: false })
    const second = await run(files)
    expect(second.threads.map(({ id }) => id)).toEqual(first.threads.map(({ id }) => id))
  })

  test('of a thread without a record are kept in an archived thread', async () => {
    const { threads, report, again } = await run({
      messages: [message('m1', { threadId: 'lost' }), message('m2', { threadId: 'lost' })],
    })
    expect(threads).toMatchObject([
      {
        id: 'lost',
        status: 'archived',
        title: 'Session Coach',
        message_count: 2,
        metadata: { recovered: true },
      },
    ])
    expect(report).toMatchObject({ ok: true, notes: [{ id: 'm1' }, { id: 'm2' }] })
    expect(await again()).toMatchObject({ ok: true, changed: false })
  })

  test('with a client id seen before in the thread are the same message', async () => {
    const { messages, report, again } = await run({
      threads: [thread('th1'), thread('th2', { mode: 'general' })],
      messages: [
        message('m2', { clientMessageId: 'c', createdAt: time(2) }),
        message('m1', { clientMessageId: 'c', createdAt: time(1) }),
        message('m3', { clientMessageId: 'c', threadId: 'th2', mode: 'general' }),
      ],
    })
    expect(messages.map(({ id, client_message_id }) => [id, client_message_id])).toEqual([
      ['m1', 'c'],
      ['m3', 'c'],
    ])
    expect(report).toMatchObject({ ok: true, notes: [{ id: 'm2' }], messages: { inFiles: 2 } })
    expect(await again()).toMatchObject({ ok: true, changed: false })
  })

  test('keep fields without a column in metadata', async () => {
    const extra = {
      misalignmentId: 'x1',
      evidence: [{ path: 'a.ts', severity: 'high' }],
      contextEvents: [{ eventIndex: 1, eventType: 't', summary: 's' }],
      __proto__x: { deep: [null, true, 1.5] },
      clientMessageId: 'c'.repeat(200),
    }
    const { messages, report } = await run({
      threads: [thread('th1')],
      messages: [message('m1', extra)],
    })
    expect(messages).toMatchObject([{ metadata: extra, client_message_id: null }])
    expect(report).toMatchObject({ ok: true, notes: [{ id: 'm1' }] })
  })

  test('with text that Postgres cannot store get U+FFFD and a note', async () => {
    const text =
      '[{"id":"m1","sessionId":"s1","mode":"session","threadId":"th1","role":"user","content":"a\\u0000\\ud800","more":{"\\u0000":1},"createdAt":"2025-01-01T00:00:00Z"}]'
    const { messages, report } = await run({ threads: [thread('th1')], messages: text })
    expect(messages).toMatchObject([
      { content: 'a\uFFFD\uFFFD', metadata: { more: { '\uFFFD': 1 } } },
    ])
    expect(report).toMatchObject({ ok: true, notes: [{ id: 'm1' }, { id: 'm1' }] })
  })

  test('without a time keep their place in the file', async () => {
    const { messages } = await run({
      threads: [thread('th1')],
      messages: [
        message('m1', { createdAt: time(1) }),
        message('m2', { createdAt: undefined, updatedAt: undefined }),
        message('m3', { createdAt: time(2) }),
      ],
    })
    expect(messages.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3'])
  })

  test('of 40 kB, and 2,500 in one thread, arrive complete', async () => {
    const many = Array.from({ length: 2_500 }, (_, index) =>
      message(`m${index}`, { content: index === 7 ? '😀'.repeat(10_000) : `${index}` }),
    )
    const { report, messages } = await run({ threads: [thread('th1')], messages: many })
    expect(report).toMatchObject({ ok: true, messages: { inserted: 2_500 } })
    expect(messages.map(({ id }) => id)).toEqual(many.map(({ id }) => id))
  })
})

test('lists records that cannot be imported with place and reason, and imports the rest', async () => {
  const deep = JSON.parse('['.repeat(200) + ']'.repeat(200))
  const { report, messages, threads } = await run({
    threads: [thread('th1'), 7, null, [], thread(''), thread('x', { mode: 'other' }), { id: 'y' }],
    messages: [
      message('m1'),
      message('m2', { role: 'robot' }),
      message('m3', { content: { text: 'x' } }),
      message('m4', { threadId: undefined, mode: 'other' }),
      message('i'.repeat(129)),
      message('m\u0000'),
      message('m5', { deep }),
      message('m6', { threadId: 5 }),
      message('m1'),
      message('m1', { content: 'other' }),
    ],
    tools: [{ id: 't1', sessionId: 's1' }],
  })
  expect(threads.map(({ id }) => id)).toEqual(['th1'])
  expect(messages.map(({ id }) => id)).toEqual(['m1'])
  expect(report.ok).toBe(false)
  expect(report.badRecords.map(({ file, index }) => `${file}[${index}]`)).toEqual([
    ...[1, 2, 3, 4, 5, 6].map((index) => `chat-threads.json[${index}]`),
    ...[1, 2, 3, 4, 5, 6, 7].map((index) => `chat-messages.json[${index}]`),
    'chat-tool-events.json[0]',
    'chat-messages.json[9]',
  ])
  expect(report.notes).toMatchObject([{ file: 'chat-messages.json', index: 8 }])
  const printed = formatImportReport(report)
  expect(printed).toContain(
    'chat-messages.json[1] m2: role: must be system, user, assistant or tool',
  )
  expect(printed).toContain('DO NOT agree')
  expect(printed).not.toContain('\u0000')
})

describe('a database with newer changes', () => {
  test('keeps its edits and messages, which the report shows', async () => {
    const { again, tenantId } = await run({
      threads: [thread('th1')],
      messages: [message('m1'), message('m2', { createdAt: time(2) })],
    })
    await database.pool.query(
      `UPDATE chat_messages SET content = 'edited' WHERE tenant_id = $1 AND id = 'm1'`,
      [tenantId],
    )
    await database.pool.query(
      `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
       VALUES ($1, 'live', 'th1', 's1', 'bob', 'user', 'new', 3)`,
      [tenantId],
    )
    await database.pool.query(
      `UPDATE chat_threads SET title = 'renamed', status = 'archived' WHERE tenant_id = $1`,
      [tenantId],
    )
    const before = await database.everyRow()
    const report = await again()
    expect(report).toMatchObject({ ok: true, changed: false })
    expect(report.perThread).toMatchObject([
      { fileCount: 2, databaseCount: 3, editedInDatabase: ['m1'], agrees: true },
    ])
    expect(await database.everyRow()).toEqual(before)
  })

  test('gets the missing messages of a thread after its own', async () => {
    const { tenantId } = await run({ threads: [thread('th1')], messages: [message('m1')] })
    const { messages, report } = await run(
      {
        threads: [thread('th1')],
        messages: [message('m1'), message('m2', { createdAt: time(5) })],
      },
      tenantId,
    )
    expect(messages.map(({ id, position }) => [id, position])).toEqual([
      ['m1', 1],
      ['m2', 2],
    ])
    expect(report).toMatchObject({ ok: true, messages: { inserted: 1, alreadyThere: 1 } })
  })

  test('does not agree when a message has other content', async () => {
    const { tenantId } = await run({ threads: [thread('th1')], messages: [message('m1')] })
    const { report, messages } = await run(
      { threads: [thread('th1')], messages: [message('m1', { content: 'another' })] },
      tenantId,
    )
    expect(report).toMatchObject({ ok: false, changed: false, perThread: [{ agrees: false }] })
    expect(messages).toMatchObject([{ content: 'Text of m1' }])
    expect(formatImportReport(report)).toContain('DIFFERS')
  })
})

test('does not agree when a message has other metadata', async () => {
  const files = (note: string) => ({
    threads: [thread('th1')],
    messages: [message('m1', { note })],
  })
  const { tenantId } = await run(files('one'))
  const { report } = await run(files('two'), tenantId)
  expect(report).toMatchObject({ ok: false, changed: false })
  expect(report.perThread).toMatchObject([{ differences: ['metadata'] }])
})

test('concurrent imports have the result of one', async () => {
  const { again, tenantId, report } = await run({
    threads: [thread('th1')],
    messages: [message('m1')],
  })
  expect(report.changed).toBe(true)
  await database.pool.query('DELETE FROM sessions WHERE tenant_id = $1', [tenantId])
  const reports = await Promise.all([again(), again(), again(), again()])
  expect(reports.map(({ ok }) => ok)).toEqual([true, true, true, true])
  expect(reports.filter(({ changed }) => changed)).toHaveLength(1)
})

test('the same ids can be imported into another tenant', async () => {
  const files = { threads: [thread('th1')], messages: [message('m1')] }
  await run(files)
  const { report } = await run(files)
  expect(report).toMatchObject({ ok: true, messages: { inserted: 1 } })
})

test.each([{ tenantId: '' }, { userId: '' }, { userId: 'u'.repeat(129) }])(
  'refuses %o before reading any file',
  async (wrong) => {
    const options = { database: database.pool, directory: '/nowhere', tenantId: 't', userId: 'u' }
    await expect(importLegacySnapshots({ ...options, ...wrong })).rejects.toMatchObject({
      code: 'invalid',
    })
  },
)
