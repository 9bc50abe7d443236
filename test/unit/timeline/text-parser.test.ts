import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { DerivedEvent } from '../../../src/timeline/index.ts'
import { textParser } from '../../../src/timeline/text/parser.ts'
import { deriveText } from './derive-log.ts'

const derive = (text: string) => deriveText(text, { parsers: [textParser] })
const titles = (events: readonly DerivedEvent[]) => events.map(({ title }) => title)
const lines = (events: readonly DerivedEvent[]) =>
  events.map(({ data }) => [data.line, data.endLine ?? data.line])

test('makes an event per line of plain text, whatever it starts with', async () => {
  const text = '[2026-11-01 10:00] start\n{not json}\n\n[info] end'
  const { events, summary } = await derive(text)
  expect(events.map(({ text }) => text)).toEqual([
    '[2026-11-01 10:00] start',
    '{not json}',
    '[info] end',
  ])
  expect(lines(events)).toEqual([
    [1, 1],
    [2, 2],
    [4, 4],
  ])
  expect(summary).toMatchObject({ lines: 4, blankLines: 1, unparseable: 3 })
})

test('reads JSON Lines line by line after a cut first line', async () => {
  const { events } = await derive('{"type":"start","text":"cu\n{"type":"next"}\n{"type":"last"}')
  expect(titles(events)).toEqual(['not JSON', 'next', 'last'])
})

test('makes an event per JSON line, with its time and type', async () => {
  const { events, summary } = await derive(
    '{"type":"start","ts":"2026-11-01T10:00:00Z"}\n{"role":"user","time":"2026-11-01T10:00:02Z"}\n[1]',
  )
  expect(titles(events)).toEqual(['start', 'user', 'unknown line'])
  expect(events.map(({ occurredAt }) => occurredAt?.toISOString() ?? null)).toEqual([
    '2026-11-01T10:00:00.000Z',
    '2026-11-01T10:00:02.000Z',
    null,
  ])
  expect(summary.unparseable).toBe(0)
})

const messages = [
  { type: 'user', timestamp: '2026-11-01T10:00:00Z', text: 'Hello' },
  { type: 'answer', text: 'Hi' },
]

test.each([
  ['in an array', messages, ['user', 'answer', 'session']],
  ['under `messages`', { name: 'chat', messages, version: 2 }, ['user', 'answer', 'session']],
])(
  'makes an event per message of a document over many lines: %s',
  async (_, document, expected) => {
    const text = JSON.stringify(document, null, 2)
    const { events, summary } = await derive(text)
    expect(titles(events)).toEqual(expected)
    expect(events[0]?.data).toMatchObject({ text: 'Hello' })
    expect(events[0]?.occurredAt).toEqual(new Date('2026-11-01T10:00:00Z'))
    // Every message has its own line range.
    const [user, answer] = lines(events)
    const at = (part: string) => text.split('\n').findIndex((line) => line.includes(part)) + 1
    expect(user?.[0]).toBeLessThanOrEqual(at('Hello'))
    expect(user?.[1]).toBeGreaterThanOrEqual(at('Hello'))
    expect(answer?.[0]).toBeLessThanOrEqual(at('"Hi"'))
    expect(answer?.[1]).toBeGreaterThanOrEqual(at('"Hi"'))
    expect(summary).toMatchObject({ unparseable: 0, lines: text.split('\n').length })
  },
)

test('keeps the messages of a cut document and counts the rest', async () => {
  const text = JSON.stringify({ messages }, null, 2)
  const { events, summary } = await derive(text.slice(0, text.indexOf('"Hi"')))
  expect(titles(events)).toEqual(['user', 'session', 'not JSON'])
  expect(events.at(-1)?.text).toContain('"answer"')
  expect(summary.unparseable).toBe(1)
})

test('makes an event per message of a real OpenCode document', async () => {
  const file = new URL(
    '../../fixtures/session-logs/other/opencode-nimbus-34k.json',
    import.meta.url,
  )
  const text = readFileSync(file, 'utf8')
  const document = JSON.parse(text) as { messages: { info: { id: string } }[] }
  const { events, summary } = await derive(text)
  const ids = events.flatMap(({ data }) => ('info' in data && 'parts' in data ? [data.info] : []))
  expect(ids).toEqual(document.messages.map(({ info }) => expect.objectContaining({ id: info.id })))
  expect(summary.unparseable).toBe(0)
})
