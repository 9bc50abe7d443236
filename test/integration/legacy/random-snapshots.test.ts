import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  exportData,
  type ImportOptions,
  type ImportReport,
  importLegacySnapshots,
} from '../../../src/legacy/index.ts'
import { cases, fc } from '../../support/property.ts'
import { useDatabase, useDirectories } from './legacy-fixture.ts'
import { type Expected, expectedOf, type LegacyFiles } from './legacy-oracle.ts'
import { legacyFiles } from './random-files.ts'

const database = useDatabase()
const writeFiles = useDirectories()
const numRuns = cases(6, 120)

let tenants = 0

async function prepare(files: LegacyFiles, messages: unknown = files.messages) {
  tenants += 1
  const directory = await writeFiles({
    'chat-threads.json': files.threads,
    'chat-messages.json': messages,
    'chat-tool-events.json': files.tools,
  })
  const options: ImportOptions = {
    database: database.pool,
    directory,
    tenantId: `t${tenants}`,
    userId: 'ada',
    quarantineFile: join(directory, 'quarantine.ndjson'),
  }
  return { directory, options, run: (more = {}) => importLegacySnapshots({ ...options, ...more }) }
}

async function ndjson(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** The tenant's sessions, threads and messages, read from an export, which refuses a tenant without rows. */
async function exported({ options, directory }: Awaited<ReturnType<typeof prepare>>) {
  const out = join(directory, 'export')
  const { tenantId } = options
  const found = await database.pool.query('SELECT 1 FROM sessions WHERE tenant_id = $1', [tenantId])
  if (found.rowCount === 0) return { messages: [], threads: [], sessions: [] }
  await exportData({ database: database.pool, tenantId, directory: out })
  const messages = await ndjson(join(out, 'chat-messages.ndjson'))
  const threads = await ndjson(join(out, 'chat-threads.ndjson'))
  const sessions = await ndjson(join(out, 'sessions.ndjson'))
  return { messages, threads, sessions }
}

type Exported = Awaited<ReturnType<typeof exported>>

function compare({ messages, threads, sessions }: Exported, expected: Expected): void {
  expect(threads.length).toBe(expected.threads.length)
  expect(new Set(sessions.map(({ id }) => id))).toEqual(
    new Set(expected.threads.map(({ session_id }) => session_id)),
  )
  const known = new Set(expected.threads.flatMap(({ id }) => id ?? []))
  for (const thread of expected.threads) {
    const found = threads.find((row) =>
      thread.id === undefined
        ? !known.has(row.id as string) &&
          row.session_id === thread.session_id &&
          row.mode === thread.mode
        : row.id === thread.id,
    )
    const { session_id, mode, status, metadata } = thread
    const last = thread.messages.findLast(({ role }) => role !== 'tool')
    expect(found).toMatchObject({
      ...{ session_id, mode, status, message_count: thread.messages.length },
      ...(thread.title !== undefined && { title: thread.title }),
      last_message_preview: last === undefined ? null : [...last.content].slice(0, 280).join(''),
    })
    expect(found?.metadata).toEqual(metadata)
    const rows = messages.filter(({ thread_id }) => thread_id === found?.id)
    expect(rows.map(({ position }) => position)).toEqual(rows.map((_, index) => index + 1))
    expect(rows.every((row) => row.session_id === session_id)).toBe(true)
    expect(
      rows.map(({ id, role, content, client_message_id, metadata, ...row }) => ({
        ...{ id, role, content, client_message_id, metadata },
        created_at: Date.parse(row.created_at as string),
        updated_at: Date.parse(row.updated_at as string),
      })),
    ).toEqual(thread.messages)
  }
}

const places = (issues: ImportReport['notes']) =>
  new Set(issues.map(({ file, index }) => `${file} ${index}`))

/** Bad records are reported and quarantined; records imported with a change are noted. */
async function checkIssues(report: ImportReport, expected: Expected, files: LegacyFiles) {
  const bad = places(report.badRecords)
  const noted = places(report.notes)
  expect(new Set([...bad].filter((place) => !expected.repeats.has(place)))).toEqual(expected.bad)
  for (const place of expected.repeats) expect(bad.has(place) || noted.has(place), place).toBe(true)
  for (const place of expected.sameMessage) expect(noted.has(place), place).toBe(true)
  const kept = bad.size === 0 ? [] : await ndjson(report.quarantineFile ?? 'none')
  const records = {
    'chat-threads.json': files.threads,
    'chat-messages.json': files.messages,
    'chat-tool-events.json': files.tools,
  }
  expect(kept.length).toBe(bad.size)
  for (const { file, index, record } of kept) {
    expect(record).toEqual(records[file as keyof typeof records][index as number])
  }
}

test('any files: the rows match an independent reading of the files, and the rest is reported', async () => {
  const property = fc.asyncProperty(legacyFiles, async (files) => {
    const prepared = await prepare(files)
    const expected = expectedOf(files)
    const planned = await prepared.run({ dryRun: true })
    const report = await prepared.run()
    expect({ ...report, quarantineFile: null }).toEqual({ ...planned, dryRun: false })
    expect(report.perThread.filter(({ agrees }) => !agrees)).toEqual([])
    expect(report.ok).toBe(report.badRecordCount === 0)
    compare(await exported(prepared), expected)
    await checkIssues(report, expected, files)

    const before = await database.everyRow()
    expect(await prepared.run()).toMatchObject({ ok: report.ok, changed: false })
    expect(await database.everyRow()).toEqual(before)
  })
  await fc.assert(property, { numRuns })
})

test('any later edits, additions and renames are left alone', async () => {
  const edits = fc.record({
    edited: fc.array(fc.nat(), { maxLength: 4 }),
    renamed: fc.array(fc.nat(), { maxLength: 2 }),
    added: fc.nat(2),
  })
  const property = fc.asyncProperty(
    legacyFiles,
    edits,
    async (files, { edited, renamed, added }) => {
      const prepared = await prepare(files)
      const { tenantId } = prepared.options
      const first = await prepared.run()
      const pick = (from: number, ids: readonly string[]) =>
        ids[from % Math.max(1, ids.length)] ?? ''
      const ids = async (table: string) => {
        const sql = `SELECT id FROM ${table} WHERE tenant_id = $1 ORDER BY id COLLATE "C"`
        return (await database.pool.query(sql, [tenantId])).rows.map(({ id }) => id as string)
      }
      const [messages, threads] = [await ids('chat_messages'), await ids('chat_threads')]
      const change = (table: string, set: string, id: string) =>
        database.pool.query(`UPDATE ${table} SET ${set} WHERE tenant_id = $1 AND id = $2`, [
          tenantId,
          id,
        ])
      for (const n of edited)
        await change('chat_messages', `content = 'edited since'`, pick(n, messages))
      for (const n of renamed) {
        await change('chat_threads', `title = 'renamed', status = 'archived'`, pick(n, threads))
      }
      for (let n = 0; n < added && threads.length > 0; n++) {
        await database.pool.query(
          `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
         SELECT tenant_id, $2, id, session_id, 'bob', 'user', 'live', last_position + 1
         FROM chat_threads WHERE tenant_id = $1 AND id = $3`,
          [tenantId, `live${n}`, pick(n, threads)],
        )
      }
      const before = await database.everyRow()
      const report = await prepared.run()
      expect(report).toMatchObject({ ok: first.ok, changed: false })
      const since = new Set(report.perThread.flatMap(({ editedInDatabase }) => editedInDatabase))
      expect(since).toEqual(
        new Set(messages.length === 0 ? [] : edited.map((n) => pick(n, messages))),
      )
      expect(await database.everyRow()).toEqual(before)
    },
  )
  await fc.assert(property, { numRuns: Math.ceil(numRuns / 3) })
})

test('a file truncated anywhere: nothing is imported without salvage, every complete record with it', async () => {
  const property = fc.asyncProperty(
    legacyFiles.filter(({ messages }) => messages.length > 0),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    async (files, share) => {
      const bytes = Buffer.from(JSON.stringify(files.messages))
      const cut = bytes.subarray(0, Math.floor(share * bytes.length))
      let end = 1
      const whole = files.messages.filter((record) => {
        end += Buffer.byteLength(JSON.stringify(record)) + 1
        return end <= cut.length
      })
      const prepared = await prepare(files, cut)
      const before = await database.everyRow()
      await expect(prepared.run()).rejects.toMatchObject({ code: 'invalid' })
      expect(await database.everyRow()).toEqual(before)

      const report = await prepared.run({ salvage: true })
      compare(await exported(prepared), expectedOf({ ...files, messages: whole }))
      expect(report.badRecords).toContainEqual(
        expect.objectContaining({ file: 'chat-messages.json', index: whole.length }),
      )
      const kept = await ndjson(report.quarantineFile ?? 'none')
      const last = kept.find(
        ({ file, index }) => file === 'chat-messages.json' && index === whole.length,
      )
      const lengths = whole.map((record) => Buffer.byteLength(JSON.stringify(record)) + 1)
      const rest = cut.subarray(1 + lengths.reduce((sum, length) => sum + length, 0))
      expect(last).toMatchObject(keptText(rest))
    },
  )
  await fc.assert(property, { numRuns: Math.ceil(numRuns / 3) })
})

/** How the quarantine stores the rest of a file: as text, or as base64 if it is not UTF-8. */
function keptText(rest: Buffer): object {
  const text = rest.toString('utf8')
  if (!Buffer.from(text).equals(rest)) return { base64: rest.toString('base64') }
  try {
    return { record: JSON.parse(text) }
  } catch {
    return { text }
  }
}
