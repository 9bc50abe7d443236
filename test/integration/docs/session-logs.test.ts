import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { buildConversation, describeToolCall, fileDiffs, toolOutcome } from '../../../src/index.ts'
import {
  defineTimelineParser,
  deriveTimeline,
  ingestSessionLog,
  rederiveSessions,
  timelineParsers,
} from '../../../src/server/index.ts'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { migratedDatabase } from '../../support/database.ts'
import { eventsOf } from '../../unit/timeline/conversation/events.ts'

const path = join(
  import.meta.dirname,
  '../../fixtures/session-logs/codex/crispierry-malformed-line.jsonl',
)

async function* chunked(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text)
}

test('docs/session-logs.md: reading a log', async () => {
  const shown: number[][] = []
  const show = (...counts: number[]) => shown.push(counts)

  const timeline = deriveTimeline(createReadStream(path))
  for await (const { events, progress } of timeline) show(events.length, progress.lines)
  const { format, kinds, unparseable, title } = timeline.summary

  expect(shown).toEqual([[timeline.summary.events, timeline.summary.lines]])
  expect({ format, unparseable }).toEqual({ format: 'codex', unparseable: 1 })
  expect(kinds.other).toBeGreaterThanOrEqual(1)
  expect(title).toEqual(expect.any(String))
})

test('docs/session-logs.md: storing a log', async () => {
  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  const pool = new Pool({ connectionString: database.url })
  onTestFinished(() => pool.end())
  const principal = { tenantId: 'acme', userId: 'ada' }

  const { sessionId, eventCount } = await ingestSessionLog(pool, principal, {
    path,
    originalName: 'rollout.jsonl',
    visibility: 'tenant',
  })

  const { rows } = await pool.query(
    'SELECT seq FROM timeline_events WHERE session_id = $1 ORDER BY seq',
    [sessionId],
  )
  expect(rows.map(({ seq }) => seq)).toEqual([...Array(eventCount).keys()])
})

test('docs/session-logs.md: a conversation, whose rows are the outline’s', async () => {
  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  const pool = new Pool({ connectionString: database.url })
  const store = createSessionStore({ database: pool })
  onTestFinished(async () => {
    await store.close()
    await pool.end()
  })
  const principal = { tenantId: 'acme', userId: 'ada' }
  const shown: unknown[][] = []
  const show = (...what: unknown[]) => shown.push(what)
  const workspaceRoot = '/repo'

  for (const log of [
    'codex/agentv-195k.jsonl',
    'codex/jazzyalex-schema-drift-2026.jsonl',
    'claude-code/dkimuson-10108-sidechain.jsonl',
    'claude-code/jazzyalex-schema-drift-2026.jsonl',
    'gemini-cli/yoavf-pomodoro-68k.json',
  ]) {
    const file = join(import.meta.dirname, '../../fixtures/session-logs', log)
    const { sessionId, eventCount } = await ingestSessionLog(pool, principal, {
      path: file,
      originalName: log,
    })
    const events = await eventsOf(file)

    for (const { type, event, results, changes, turn } of buildConversation(events)) {
      if (type === 'tool') {
        const { action, subject } = describeToolCall(event, workspaceRoot)
        const { isError, exitCode, output } = toolOutcome(results)
        show(action, subject, isError, exitCode, output)
      }
      for (const change of changes) {
        for (const { path, linesAdded, linesRemoved, hunks } of fileDiffs(change)) {
          show(path, linesAdded, linesRemoved, hunks)
        }
      }
      if (turn) show(turn.durationMs, turn.model, turn.outputTokens, turn.folded.length)
    }

    const loadedEvents = events
    const { ranges } = await store.outlineTimeline(principal, { sessionId, conversation: true })
    const rows = buildConversation(loadedEvents, { eventCount })

    const places = ranges.flatMap(([first, end]) => events.slice(first, end).map(({ seq }) => seq))
    expect([log, places]).toEqual([log, rows.map(({ event }) => event.seq)])
  }
  expect(shown.length).toBeGreaterThan(100)
})

test('docs/session-logs.md: a custom parser', async () => {
  const chatParser = defineTimelineParser({
    name: 'my-chat',
    version: 1,
    detect: ({ text }) => (/^\d\d:\d\d:\d\d (?:you|bot)> /.test(text) ? 1 : 0),
    create: () => ({
      facts: { title: 'A chat' },
      push({ text }) {
        const [, time, who, said] = /^(\d\d:\d\d:\d\d) (you|bot)> (.*)$/.exec(text) ?? []
        if (said === undefined)
          return [{ kind: 'other', title: 'not a line', text, unparseable: true }]
        const role = who === 'you' ? 'user' : 'assistant'
        return [{ kind: 'message', role, text: said, time: `2026-01-01T${time}Z` }]
      },
      finish: () => [],
    }),
  })
  const chat = chunked('12:30:01 you> Fix the login\n\n12:30:02 bot> Done\n???\n')

  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  const pool = new Pool({ connectionString: database.url })
  onTestFinished(() => pool.end())
  const databaseUrl = database.url

  const store = createSessionStore({ database: databaseUrl, parsers: [chatParser] })

  const principal = { tenantId: 'acme', userId: 'ada' }
  await store.createSession(principal, { id: 's1', title: 'chat', originalName: 'chat' })
  await store.uploadContent(principal, 's1', chunked('12:30:01 you> Fix it\n'))
  expect(await store.readEvent(principal, 's1', 0)).toMatchObject({ role: 'user', text: 'Fix it' })
  await store.close()

  const { sessions } = await rederiveSessions({
    database: pool,
    tenantId: 'acme',
    format: 'other',
    all: true,
  })

  expect(sessions).toBe(0)

  const own = deriveTimeline(chat, { parsers: [chatParser, ...timelineParsers] })

  const events = []
  for await (const batch of own) events.push(...batch.events)
  expect(events).toMatchObject([
    { kind: 'message', role: 'user', text: 'Fix the login', data: { line: 1 } },
    { kind: 'message', role: 'assistant', occurredAt: new Date('2026-01-01T12:30:02Z') },
    { kind: 'other', text: '???', data: { line: 4, unparseable: true } },
  ])
  expect(own.summary).toMatchObject({ title: 'A chat', parser: { name: 'my-chat' }, blankLines: 1 })
})
