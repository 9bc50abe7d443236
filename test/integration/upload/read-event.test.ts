import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ada, refusalOf, type StoreFixture, startStore, stranger } from '../server/store-fixture.ts'
import { streamOf } from './log-file.ts'

const cases = join(import.meta.dirname, '../../fixtures/session-log-cases')

let fixture: StoreFixture
let store: StoreFixture['store']

beforeAll(async () => {
  fixture = await startStore({ uploads: { maxBytes: 4_000_000 } })
  store = fixture.store
})

afterAll(() => fixture.close())

async function upload(bytes: Buffer): Promise<string> {
  const id = randomUUID()
  await store.createSession(ada, { id, title: 'log', originalName: 'log' })
  await store.uploadContent(ada, id, streamOf(bytes))
  return id
}

const long = `start ${'word '.repeat(2_000)}needle-in-the-rest 😀 end`
const codexLine = JSON.stringify({
  timestamp: '2026-09-01T10:00:00.000Z',
  type: 'response_item',
  payload: {
    type: 'function_call_output',
    call_id: 'c',
    output: JSON.stringify({ output: long, metadata: { exit_code: 0 } }),
  },
})
const claudeLine = JSON.stringify({
  ...{ type: 'user', uuid: 'u1', sessionId: 's', parentUuid: null },
  message: { role: 'user', content: [{ type: 'text', text: long }] },
})
const geminiDocument = JSON.stringify(
  {
    ...{ sessionId: 's', projectHash: 'p', startTime: '2026-09-01T10:00:00.000Z' },
    messages: [
      { id: '1', type: 'user', content: 'short' },
      { id: '2', type: 'gemini', content: long },
    ],
  },
  null,
  2,
)

describe('readEvent', () => {
  test.each([
    ['Codex', `{"type":"session_meta","payload":{"id":"x"}}\n${codexLine}\n`],
    ['Claude Code', `${claudeLine}\n`],
    ['Gemini CLI', geminiDocument],
    ['unknown JSON', `{"role":"user","text":${JSON.stringify(long)}}`],
    ['plain text', `first line\n${long}\nlast line`],
  ])('returns the whole text of an event of %s, plain and compressed', async (_, log) => {
    for (const bytes of [Buffer.from(log), gzipSync(log), Buffer.from(`\uFEFF${log}`, 'utf16le')]) {
      const id = await upload(bytes)
      const rows = await fixture.rows<{ seq: number; text: string }>(
        "SELECT seq, text FROM timeline_events WHERE session_id = $1 AND text LIKE '%more characters]'",
        [id],
      )
      expect(rows).toHaveLength(1)
      const event = await store.readEvent(ada, id, rows[0]?.seq ?? -1)
      expect(event.text).toBe(long)
      expect(event.raw).toContain('needle-in-the-rest')
    }
  })

  test('finds words beyond the preview', async () => {
    const id = await upload(Buffer.from(`${claudeLine}\n`))
    const { hits } = await store.searchEvents(ada, { query: 'needle-in-the-rest', sessionId: id })
    expect(hits).toHaveLength(1)
  })

  test('answers a stranger as for an event that does not exist', async () => {
    const id = await upload(Buffer.from(`${claudeLine}\n`))
    const missing = { code: 'not_found' }
    expect(await refusalOf(store.readEvent(stranger, id, 0))).toMatchObject(missing)
    expect(await refusalOf(store.readEvent(ada, id, 99))).toMatchObject(missing)
    expect(await refusalOf(store.readEvent(ada, id, -1))).toMatchObject({ code: 'invalid' })
  })
})

test('leaves out folded events of an outline and a search', async () => {
  const id = await upload(readFileSync(join(cases, 'claude-branches-queue-duplicates.jsonl')))
  const folded = { sessionId: id, folded: false }
  const all = await store.outlineTimeline(ada, { sessionId: id })
  const shown = await store.outlineTimeline(ada, folded)
  expect(all.count - shown.count).toBe(6)
  expect((await store.searchEvents(ada, { ...folded, query: 'abandoned' })).hits).toEqual([])
})

describe('an upload of what is no log', () => {
  test.each([
    ['sqlite-database.db', 'This is a SQLite database, not a session log.'],
    ['empty.jsonl', 'The file is empty.'],
  ])('refuses %s with a reason, and leaves no ready session', async (name, reason) => {
    const id = randomUUID()
    await store.createSession(ada, { id, title: name, originalName: name })
    const refused = store.uploadContent(ada, id, streamOf(readFileSync(join(cases, name))))
    const refusal = await refusalOf(refused)
    expect(refusal).toMatchObject({ code: 'invalid' })
    expect(refusal.message).toContain(reason)
    const state = await store.uploadState(ada, id)
    expect(state).toMatchObject({ status: 'failed', statusReason: refusal.message, eventCount: 0 })
  })

  test('refuses what is inside of a compressed file, without another attempt', async () => {
    const packed = gzipSync(readFileSync(join(cases, 'sqlite-database.db')))
    expect(await refusalOf(upload(packed))).toMatchObject({ code: 'invalid' })
  })

  test('refuses a file that unpacks to more than is allowed', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000, 'a'))
    const refusal = await refusalOf(upload(bomb))
    expect(refusal.message).toContain('unpacks to more')
  })

  test('reads a compressed log', async () => {
    const id = await upload(readFileSync(join(cases, 'codex-rollout.jsonl.zst')))
    const [session] = await fixture.rows('SELECT * FROM sessions WHERE id = $1', [id])
    expect(session).toMatchObject({
      ...{ status: 'ready', format: 'codex', title: 'hello', agent_version: '0.153.4' },
      totals: expect.objectContaining({ wallMs: expect.any(Number) }),
    })
  })
})
