import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ImportOptions, importLegacySnapshots } from '../../../src/legacy/index.ts'
import { useDatabase, useDirectories } from './legacy-fixture.ts'

const database = useDatabase()
const writeFiles = useDirectories()

const message = (n: number, more = {}) => ({
  ...{ id: `m${n}`, sessionId: 's1', mode: 'session', threadId: `t${n % 3}`, role: 'user' },
  ...{ content: `Text ${n}`, createdAt: new Date(1.76e12 - n * 1_000).toISOString(), ...more },
})

async function run(
  tenantId: string,
  files: Record<string, unknown>,
  more: (directory: string) => Partial<ImportOptions> = () => ({}),
) {
  const directory = await writeFiles(files)
  return importLegacySnapshots({
    ...{ database: database.pool, directory, tenantId, userId: 'ada' },
    ...more(directory),
  })
}

async function stored(tenantId: string) {
  const { rows } = await database.pool.query(
    `SELECT id, content, position::int FROM chat_messages WHERE tenant_id = $1
     ORDER BY thread_id, position`,
    [tenantId],
  )
  return rows
}

/** The messages of `t0`, `t1` and `t2`, oldest first; the file has them newest first. */
function byThread(messages: readonly ReturnType<typeof message>[]) {
  return ['t0', 't1', 't2'].flatMap((thread) =>
    messages
      .filter(({ threadId }) => threadId === thread)
      .reverse()
      .map(({ id, content }, index) => ({ id, content, position: index + 1 })),
  )
}

test('imports every message to its place among 40,000 bad records', async () => {
  const messages = Array.from({ length: 20 }, (_, n) => message(n))
  const bad = Array.from({ length: 40_000 }, () => 7)
  const tools = [
    { id: 'e', sessionId: 's1', threadId: 't0', toolName: 'look', startedAt: '2030-01-01' },
  ]
  const report = await run('gaps', {
    'chat-messages.json': [...messages.slice(0, 10), ...bad, ...messages.slice(10)],
    'chat-tool-events.json': tools,
  })
  expect(report).toMatchObject({ badRecordCount: 40_000, messages: { inserted: 21 } })
  expect(report.perThread.every(({ agrees }) => agrees)).toBe(true)
  const rows = await stored('gaps')
  expect(rows.filter(({ id }) => id !== 'e')).toEqual(byThread(messages))
  expect(rows.find(({ id }) => id === 'e')).toMatchObject({ position: 8 })
})

test('imports texts of several megabytes', async () => {
  const sizes = [2e6, 5, 1e6, 4e6, 5, 2e6]
  const messages = sizes.map((size, n) => message(n, { content: `${n}\t\\é`.repeat(size / 5) }))
  const report = await run('large', { 'chat-messages.json': messages })
  expect(report).toMatchObject({ ok: true, messages: { inserted: 6 } })
  expect(await stored('large')).toEqual(byThread(messages))
})

test('imports nothing when a file is changed during the import', async () => {
  const failing = run('written', { 'chat-messages.json': [message(1)] }, (directory) => ({
    async onProgress({ stage }) {
      if (stage === 'placing') await appendFile(join(directory, 'chat-messages.json'), '\n')
    },
  }))
  await expect(failing).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(/chat-messages\.json was changed during the import\. Nothing/),
  })
  expect(await stored('written')).toEqual([])
})

test("keeps a thread's times and takes its preview from the last message", async () => {
  const thread = { id: 't1', sessionId: 's1', mode: 'session', title: 'T', status: 'archived' }
  const time = '2025-01-01T00:00:00.000Z'
  const files = {
    'chat-threads.json': [{ ...thread, createdAt: time, updatedAt: time }],
    'chat-messages.json': [message(1, { content: '😀'.repeat(300) }), message(4)],
  }
  await run('told', files)
  const { rows } = await database.pool.query(
    `SELECT message_count, last_position::int, last_message_at, last_message_preview, updated_at,
       version
     FROM chat_threads WHERE tenant_id = 'told'`,
  )
  expect(rows).toEqual([
    {
      ...{ message_count: 2, last_position: 2, last_message_preview: '😀'.repeat(280) },
      version: 1,
      ...{ last_message_at: new Date(1.76e12 - 1_000), updated_at: new Date(time) },
    },
  ])
})
