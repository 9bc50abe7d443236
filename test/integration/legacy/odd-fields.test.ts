import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ImportOptions, importLegacySnapshots } from '../../../src/legacy/index.ts'
import { useDatabase, useDirectories } from './legacy-fixture.ts'

// Fields and files that other versions of the old app, or manual edits, may have left.

const database = useDatabase()
const writeFiles = useDirectories()
let tenants = 0

const at = '2025-12-01T12:00:00.000Z'
const place = { sessionId: 's1', mode: 'session', createdAt: at, updatedAt: at }
const thread = (more: object = {}) => ({
  ...{ id: 'th1', title: 'T', status: 'active', messageCount: 0, ...place },
  ...more,
})
const message = (more: object = {}) => ({
  ...{ id: 'm1', threadId: 'th1', role: 'user', content: 'Hello', ...place },
  ...more,
})

/** Imports into a new tenant. Strings and bytes are written to the files unchanged. */
async function run(threads: unknown, messages: unknown, options: Partial<ImportOptions> = {}) {
  tenants += 1
  const tenantId = `tenant-${tenants}`
  const directory = await writeFiles({
    'chat-threads.json': threads,
    'chat-messages.json': messages,
  })
  const quarantineFile = join(directory, 'quarantine.ndjson')
  const report = await importLegacySnapshots({
    ...{ database: database.pool, directory, tenantId, userId: 'ada', quarantineFile },
    ...options,
  })
  const rows = async (table: string) => {
    const sql = `SELECT * FROM ${table} WHERE tenant_id = $1 ORDER BY created_at, id`
    return (await database.pool.query(sql, [tenantId])).rows
  }
  return {
    report,
    reasons: report.notes.map(({ reason }) => reason),
    quarantined: async () =>
      (await readFile(quarantineFile, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    threads: await rows('chat_threads'),
    messages: await rows('chat_messages'),
  }
}

describe('fields', () => {
  test('are treated as missing when they are null', async () => {
    const nothing = { clientMessageId: null, evidence: null, misalignmentId: null, updatedAt: null }
    const { report, threads, messages } = await run(
      [thread({ lastMessageAt: null, lastMessagePreview: null, messageCount: null })],
      [message({ ...nothing, threadId: null })],
    )
    expect(report).toMatchObject({ ok: true, notes: [], perThread: [{ declaredCount: null }] })
    expect(threads).toMatchObject([{ id: 'th1', metadata: {} }])
    expect(messages).toMatchObject([
      { thread_id: 'th1', updated_at: new Date(at), metadata: { evidence: null } },
    ])
  })

  test('of messages are kept in metadata with a note when their type is wrong', async () => {
    const odd = { mode: 'coach', updatedAt: 'yesterday', clientMessageId: 7 }
    const { report, messages, reasons } = await run([thread()], [message(odd)])
    expect(messages).toMatchObject([
      { metadata: odd, client_message_id: null, updated_at: new Date(at) },
    ])
    expect(reasons).toEqual([
      'mode: not one of session, general; kept in metadata',
      'clientMessageId: not a valid id; kept in metadata',
      'updatedAt: not a time; kept in metadata',
    ])
    expect(report.ok).toBe(true)
  })

  test('of threads are kept in metadata with a note when their type is wrong', async () => {
    const odd = { title: 7, status: 'deleted', messageCount: '3', createdAt: { $date: at } }
    const { report, threads } = await run([thread(odd)], [])
    expect(threads).toMatchObject([
      { title: 'Session Coach', status: 'archived', created_at: new Date(at), metadata: odd },
    ])
    expect(report).toMatchObject({ ok: true, noteCount: 7 })
  })

  test('cut a title that is too long, and keep all of it in metadata', async () => {
    const title = 'é'.repeat(1_001)
    const { threads } = await run([thread({ title })], [])
    expect(threads).toMatchObject([{ title: title.slice(1), metadata: { title } }])
  })

  test('read numbers as milliseconds, with a note when they look like seconds', async () => {
    const { messages, reasons } = await run(
      [thread()],
      [
        message({ createdAt: Date.parse(at), updatedAt: Date.parse(at) }),
        message({ id: 'm2', createdAt: 1_764_590_400, updatedAt: null }),
      ],
    )
    expect(messages).toMatchObject([
      { id: 'm2', metadata: { createdAt: 1_764_590_400 } },
      { id: 'm1', created_at: new Date(at), metadata: {} },
    ])
    expect(reasons).toEqual([
      'createdAt: read 1764590400 as milliseconds since 1970; kept in metadata',
    ])
  })

  test('with another mode than the thread are noted', async () => {
    const { reasons } = await run([thread()], [message({ mode: 'general' })])
    expect(reasons).toEqual(["mode general is not the mode of its thread; used the thread's"])
  })

  test('with numbers beyond the range of a double are noted', async () => {
    const text = JSON.stringify([message({ line: 'N' })])
    const big = await run([thread()], text.replace('"N"', '12345678901234567890'))
    const reason = 'other fields: a number is too large to be read exactly'
    expect(big.reasons).toEqual([reason])
    const infinite = await run([thread()], text.replace('"N"', '1e999'))
    expect(infinite.reasons).toEqual([reason])
    expect(infinite.messages).toMatchObject([{ metadata: { line: null } }])
  })
})

describe('files', () => {
  test('may have a byte order mark and carriage returns', async () => {
    const text = `\uFEFF${JSON.stringify([message()], null, 2).replaceAll('\n', '\r\n')}\r\n`
    const { report, messages } = await run([thread()], text)
    expect(report).toMatchObject({ ok: true, notes: [] })
    expect(messages).toMatchObject([{ id: 'm1' }])
  })

  test('may have threads without messages', async () => {
    const { report, threads } = await run([thread({ messageCount: 4 })], '[]\n')
    expect(report).toMatchObject({ ok: true, perThread: [{ declaredCount: 4, fileCount: 0 }] })
    expect(threads).toMatchObject([{ message_count: 0 }])
  })

  test.each([
    ['in another encoding', Buffer.from('[]', 'utf16le'), /chat-messages\.json is not valid JSON/],
    ['with only white space', ' \n', /chat-messages\.json is not valid JSON at line 2, column 1\./],
    ['wrapped in an object', '{"messages": []}', /must hold a JSON array/],
    ['with one record per line', '{"id": "m1"}\n{"id": "m2"}\n', /must hold a JSON array/],
    ['with merge markers', '<<<<<<< HEAD\n[]\n', /must hold a JSON array/],
  ])('%s are refused, with file and line', async (_what, bytes, error) => {
    await expect(run([thread()], bytes)).rejects.toThrow(error)
  })

  test('that are directories are refused', async () => {
    const directory = await writeFiles({})
    await mkdir(join(directory, 'chat-messages.json'))
    const owner = { tenantId: 'nobody', userId: 'ada' }
    const failing = importLegacySnapshots({
      ...{ database: database.pool, directory, ...owner },
    })
    await expect(failing).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/chat-messages\.json cannot be read: EISDIR/),
    })
  })

  test('written over a longer one are refused, or salvaged with the rest in quarantine', async () => {
    const whole = JSON.stringify([message()])
    for (const rest of [']', '{"id": "m1"}]', ' "x"}\n]', 'é'.repeat(1_500_000)]) {
      await expect(run([thread()], whole + rest)).rejects.toThrow(/is not valid JSON at line 1/)
      const salvaged = await run([thread()], whole + rest, { salvage: true })
      expect(salvaged.messages).toMatchObject([{ id: 'm1' }])
      expect(salvaged.report).toMatchObject({ ok: false, badRecords: [{ index: 1 }] })
      const [{ text, record }] = await salvaged.quarantined()
      expect(text ?? JSON.stringify(record)).toBe(rest.trimStart())
    }
  })

  test('with a trailing comma can be salvaged', async () => {
    const text = `[${JSON.stringify(message())},]`
    await expect(run([thread()], text)).rejects.toThrow(/is not valid JSON at line 1/)
    const { messages, quarantined } = await run([thread()], text, { salvage: true })
    expect(messages).toMatchObject([{ id: 'm1' }])
    expect(await quarantined()).toMatchObject([{ index: 1, text: ']' }])
  })
})
