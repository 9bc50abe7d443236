import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importLegacySnapshots } from '../../../src/legacy/index.ts'
import { useDatabase, useDirectories } from './legacy-fixture.ts'

const database = useDatabase()
const writeFiles = useDirectories()

const good = (id: string) => ({
  id,
  sessionId: 's1',
  mode: 'session',
  threadId: 'th',
  role: 'user',
  content: `Text of ${id}`,
  createdAt: '2025-12-01T12:00:00.000Z',
})

async function run(
  files: Record<string, unknown>,
  tenantId: string,
  more: { strict?: boolean; salvage?: boolean; dryRun?: boolean } = {},
) {
  const directory = await writeFiles(files)
  const quarantineFile = join(directory, 'quarantine.ndjson')
  const report = await importLegacySnapshots({
    database: database.pool,
    directory,
    tenantId,
    userId: 'ada',
    quarantineFile,
    ...more,
  })
  const lines = await readFile(quarantineFile, 'utf8').then(
    (text) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    () => undefined,
  )
  return { report, lines }
}

test('keeps bad records unchanged, with place and reason', async () => {
  const bad = '{ "id": "m2",\n  "role": "robot", "big": 12345678901234567890, "id": "m2" }'
  const { report, lines } = await run(
    {
      'chat-messages.json': `[${JSON.stringify(good('m1'))}, ${bad}, 7, ${JSON.stringify({ ...good('m1'), content: 'other' })}]`,
    },
    'q1',
  )
  expect(report).toMatchObject({ ok: false, badRecordCount: 3 })
  expect(report.quarantineFile).toMatch(/quarantine\.ndjson$/)
  const place = { file: 'chat-messages.json' }
  expect(lines).toMatchObject([
    { ...place, index: 1, id: 'm2', reason: expect.stringContaining('role') },
    { ...place, index: 2, id: null, reason: 'not a JSON object', record: 7 },
    {
      ...place,
      index: 3,
      id: 'm1',
      reason: 'has the same id as record 0 and other content',
      record: { content: 'other' },
    },
  ])
  const text = await readFile(report.quarantineFile ?? '', 'utf8')
  expect(text).toContain('"big": 12345678901234567890, "id": "m2" }')
})

test('writes no file without bad records, and none in a dry run', async () => {
  const fine = await run({ 'chat-messages.json': [good('m1')] }, 'q2')
  expect(fine).toMatchObject({ report: { ok: true, quarantineFile: null }, lines: undefined })
  const dry = await run({ 'chat-messages.json': [7] }, 'q2', { dryRun: true })
  expect(dry).toMatchObject({ report: { ok: false, quarantineFile: null }, lines: undefined })
})

test('strict fails at an invalid record and at a repeated id', async () => {
  const before = await database.everyRow()
  for (const records of [
    [good('m1'), 7],
    [good('m1'), { ...good('m1'), content: 'other' }],
  ]) {
    const failing = run({ 'chat-messages.json': records }, 'q3', { strict: true })
    await expect(failing).rejects.toThrow(/Stopped \(strict\): chat-messages\.json\[1\]/)
  }
  expect(await database.everyRow()).toEqual(before)
})

test.each([
  ['ends within a record', '[{"id": "x", "content": "abc', /at line 1, column \d+$/],
  ['ends between records', '[', /at line 1, column \d+$/],
  ['has a record that is not JSON', '[{"id": nope}', /at line 1, column \d+$/],
])('salvage imports the readable records of a file that %s', async (_what, end, reason) => {
  const whole = [good('m1'), good('m2')].map((record) => JSON.stringify(record)).join(',')
  const text = end === '[' ? `[${whole},` : `[${whole},${end.slice(1)}`
  const tenantId = `q-${end.length}`
  await expect(run({ 'chat-messages.json': text }, tenantId)).rejects.toThrow('--salvage')
  const { report, lines } = await run({ 'chat-messages.json': text }, tenantId, { salvage: true })
  expect(report).toMatchObject({ ok: false, messages: { inserted: 2 }, badRecordCount: 1 })
  expect(lines).toMatchObject([{ index: 2, reason: expect.stringMatching(reason) }])
  if (end !== '[') expect(lines?.[0].text).toBe(end.slice(1))
})

test('a failed import leaves no quarantine file', async () => {
  const directory = await writeFiles({ 'chat-messages.json': '[7, {"id": ' })
  const quarantineFile = join(directory, 'q.ndjson')
  const failing = importLegacySnapshots({
    database: database.pool,
    directory,
    tenantId: 'q5',
    userId: 'ada',
    quarantineFile,
  })
  await expect(failing).rejects.toThrow('is not valid JSON')
  await expect(stat(quarantineFile)).rejects.toThrow('ENOENT')
  await expect(stat(`${quarantineFile}.unfinished`)).rejects.toThrow('ENOENT')
})
