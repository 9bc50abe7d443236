import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { timelineParsers } from '../../../src/timeline/parsers.ts'
import { isDeep } from '../../support/property.ts'
import { chunked, deriveLog } from './derive-log.ts'

const MEBIBYTE = 1024 * 1024

/** CPU time of this thread in ms: other work of a busy machine must not count. */
function cpuTime(): number {
  const { user, system } = (process.threadCpuUsage ?? process.cpuUsage)()
  return (user + system) / 1_000
}

/** Records the length of each turn of the event loop while `work` runs, in ms. */
async function watchLoop(work: () => Promise<unknown>): Promise<number[]> {
  const turns: number[] = []
  let last = cpuTime()
  let isRunning = true
  const turn = () => {
    const now = cpuTime()
    turns.push(now - last)
    last = now
    if (isRunning) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  turn()
  isRunning = false
  return turns.sort((a, b) => a - b)
}

const header =
  '{"timestamp":"2026-09-01T10:00:00.000Z","type":"session_meta","payload":{"id":"x"}}\n'
const codexText = (text: string) =>
  `${header}${JSON.stringify({
    timestamp: '2026-09-01T10:00:01.000Z',
    type: 'event_msg',
    payload: { type: 'user_message', message: text },
  })}\n`

/** A prompt as Codex logs it for the model only, so that each is compared with the ones before. */
const twins = (text: string) =>
  [
    { type: 'event_msg', payload: { type: 'user_message', message: text } },
    {
      type: 'response_item',
      payload: {
        type: 'message',
        role: 'user',
        content: [{ type: 'input_text', text: `${text}!` }],
      },
    },
  ]
    .map((line) => `${JSON.stringify({ timestamp: '2026-09-01T10:00:01.000Z', ...line })}\n`)
    .join('')
const cursorText = (text: string) =>
  `${JSON.stringify({ role: 'user', message: { content: [{ type: 'text', text }] } })}\n`

const inputs: [name: string, log: () => string | Uint8Array][] = [
  ['4 MiB of line feeds', () => Buffer.alloc(4 * MEBIBYTE, '\n')],
  ['MiBs of short lines', () => Buffer.alloc(MEBIBYTE, 'x\n')],
  ['MiBs of empty objects', () => Buffer.alloc(MEBIBYTE, '{}\n')],
  ['millions of brackets', () => `${'['.repeat(3 * MEBIBYTE)}${']'.repeat(3 * MEBIBYTE)}`],
  [
    'a million nested objects',
    () => `${header}${'{"a":'.repeat(MEBIBYTE)}1${'}'.repeat(MEBIBYTE)}`,
  ],
  ['a document nested a million deep', () => `{"messages":[\n${'[\n'.repeat(MEBIBYTE / 4)}`],
  ['a document of many messages', () => `[\n${'{"role":"user"},\n'.repeat(MEBIBYTE / 32)}{}]`],
  ['a line of 7 MiB', () => codexText('word '.repeat((7 * MEBIBYTE) / 5))],
  ['a word of 7 MiB', () => codexText('x'.repeat(7 * MEBIBYTE))],
  ['identifiers of 7 MiB', () => codexText('aB'.repeat((7 * MEBIBYTE) / 2))],
  [
    'messages of a MiB that differ',
    () =>
      header +
      Array.from({ length: 6 }, (_, n) => twins(`${'word '.repeat(200_000)}${n}`)).join(''),
  ],
  ['blanks of a MiB in a prompt', () => cursorText(`<user_query>${' '.repeat(MEBIBYTE)}x`)],
  ['a line of 40 MiB', () => codexText('x'.repeat(40 * MEBIBYTE))],
  ['7 MiB of objects on a line', () => `${header}${'{"timestamp":1}'.repeat((7 * MEBIBYTE) / 15)}`],
  [
    '7 MiB of cut records on a line',
    () => `${header}${'{"timestamp":{"'.repeat((7 * MEBIBYTE) / 15)}`,
  ],
  [
    'an injected element of 7 MiB',
    () => codexText('<environment_context>'.repeat((7 * MEBIBYTE) / 21)),
  ],
]

/** Turns below this end; a garbage collection or the first compilation of the parsers may take longer once. */
const MOST_MS = 100
const ONCE_MS = 400

/** Derives a log and expects many short turns. Returns the name of the parser. */
async function deriveInTurns(log: Buffer, fewest = 2): Promise<string> {
  let summary: Awaited<ReturnType<typeof deriveLog>>['summary'] | undefined
  const turns = await watchLoop(async () => {
    summary = (await deriveLog(chunked(log, 256 * 1024))).summary
  })
  expect(summary?.bytes).toBe(log.length)
  expect(turns.at(-1)).toBeLessThan(ONCE_MS)
  expect(turns.filter((turn) => turn >= MOST_MS).length).toBeLessThanOrEqual(1)
  // More than one piece of work, whatever the time each takes.
  expect(turns.length).toBeGreaterThanOrEqual(fewest)
  return summary?.parser.name ?? ''
}

test.each(inputs)('lets others run while it derives %s', { timeout: 120_000 }, async (_, make) => {
  await deriveInTurns(Buffer.from(make() as string))
})

describe('every parser lets others run', () => {
  const SIZE = isDeep ? 7 * MEBIBYTE : MEBIBYTE

  const cases = (name: string) => () =>
    readFile(join(import.meta.dirname, '../../fixtures/session-log-cases', name), 'utf8')
  /** A log of each agent that its parser recognises by its start. */
  const starts: Record<string, () => string | Promise<string>> = {
    codex: cases('codex-injected-context.jsonl'),
    'claude-code': cases('claude-ide-context.jsonl'),
    'gemini-cli': cases('gemini-checkpoint.jsonl'),
    'codex-exec': cases('codex-exec-json.jsonl'),
    'copilot-cli': cases('copilot-cli.jsonl'),
    cursor: cases('cursor-transcript.jsonl'),
    goose: cases('goose.jsonl'),
    opencode: cases('opencode-export.json'),
    pi: cases('pi.jsonl'),
    'qwen-code': cases('qwen-code.jsonl'),
    cline: () => '[{"ts":1790000000000,"type":"say","say":"text","text":"x","images":["x"]}]',
    aider: () => '# aider chat started at 2026-09-01 10:00:00\n\n#### x\n\nx\n',
    chatgpt: () =>
      JSON.stringify({
        title: 'x',
        create_time: 1,
        current_node: 'n1',
        mapping: {
          n0: {
            id: 'n0',
            parent: null,
            message: { author: { role: 'user' }, content: { parts: ['x'] } },
          },
          n1: {
            id: 'n1',
            parent: 'n0',
            message: { author: { role: 'user' }, content: { parts: ['x'] } },
          },
        },
      }),
    'claude-ai': () =>
      JSON.stringify([
        { uuid: 'u', name: 'x', chat_messages: [{ sender: 'human', text: 'x', content: [] }] },
      ]),
    text: () => 'User: x\n\nAssistant: x\n',
  }
  type Change = (value: unknown) => unknown
  /** Changes every line that is JSON, or the whole document. */
  const changed = (log: string, change: Change) => {
    const pieces = parsed(log) === undefined ? log.split('\n') : [log]
    return pieces.map((piece) => changedPiece(piece, change)).join('\n')
  }
  const changedPiece = (piece: string, change: Change) => {
    const value = parsed(piece)
    return value === undefined ? piece : JSON.stringify(walk(value, change))
  }
  const parsed = (text: string): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      return undefined
    }
  }
  const walk = (value: unknown, change: Change): unknown => {
    if (Array.isArray(value)) return change(value.map((each) => walk(each, change)))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(([name, each]) => [name, walk(each, change)])
    return change(Object.fromEntries(entries))
  }
  /** Repeats until the size is reached. */
  const times = (piece: string) => Math.ceil(SIZE / (piece.length + 1))
  let left = 0
  const stretch: Change = (value) => {
    if (left <= 0) return value
    if (Array.isArray(value) && value.length > 0) {
      const count = Math.min(times(JSON.stringify(value)), 100_000)
      left -= SIZE
      return Array.from({ length: count }, () => value).flat()
    }
    const { mapping } = Object(value)
    if (typeof mapping !== 'object') return value
    // The nodes of a conversation, each the parent of the next.
    const node = mapping.n1
    const count = times(JSON.stringify(node)) / 1.1
    const nodes = Array.from({ length: count }, (_, n) => [
      `n${n}`,
      { ...node, id: `n${n}`, parent: n === 0 ? null : `n${n - 1}` },
    ])
    left -= SIZE
    return {
      ...Object(value),
      current_node: `n${nodes.length - 1}`,
      mapping: Object.fromEntries(nodes),
    }
  }
  const lengthen: Change = (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => {
        if (left <= 0 || typeof each !== 'string' || !/text|content|message|output/.test(name)) {
          return [name, each]
        }
        left -= SIZE
        return [name, each + '<a> `x`\n# word '.repeat(SIZE / 16)]
      }),
    )
  }

  const hostile: Record<string, (log: string) => string> = {
    'a log many times': (log) => `${log.trimEnd()}\n`.repeat(times(log)),
    'a long list': (log) => changed(log, stretch),
    'a long text': (log) => changed(log, lengthen),
  }

  test('has a log of each', () => {
    expect(Object.keys(starts).toSorted()).toEqual(
      timelineParsers.map(({ name }) => name).toSorted(),
    )
  })

  test.each(Object.keys(starts))('%s', { timeout: 120_000 }, async (name) => {
    const log = (await starts[name]?.()) ?? ''
    expect(await deriveInTurns(Buffer.from(log), 1)).toBe(name)
    for (const make of Object.values(hostile)) {
      left = SIZE
      const attack = make(log)
      // Not every log has a list.
      if (attack.length >= SIZE / 2) await deriveInTurns(Buffer.from(attack), 1)
    }
  })
})

test('takes half of the time at most while there is other work', { timeout: 60_000 }, async () => {
  const log = Buffer.alloc(MEBIBYTE / 4, '{"role":"user","text":"x"}\n')
  // Compiles the parsers.
  await deriveLog(chunked(log.subarray(0, MEBIBYTE / 16), log.length))
  let ofOthers = 0
  let isRunning = true
  const request = () => {
    const begun = cpuTime()
    while (cpuTime() < begun + 1);
    ofOthers += cpuTime() - begun
    if (isRunning) setImmediate(request)
  }
  const begun = cpuTime()
  request()
  await deriveLog(chunked(log, log.length))
  isRunning = false
  expect(ofOthers / (cpuTime() - begun)).toBeGreaterThan(0.5)
})

test('turns the event loop many times for many lines', { timeout: 60_000 }, async () => {
  const log = Buffer.alloc(MEBIBYTE, '{"role":"user","text":"x"}\n')
  const turns = await watchLoop(() => deriveLog(chunked(log, log.length)))
  expect(turns.length).toBeGreaterThan(10)
})
