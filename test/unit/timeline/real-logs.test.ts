import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { deriveLog } from './derive-log.ts'

/** A larger collection of logs may be named; it has the same folders as the fixtures. */
const directory =
  process.env.SESSION_LOGS_DIR ?? join(import.meta.dirname, '../../fixtures/session-logs')

// biome-ignore lint/suspicious/noExplicitAny: the logs' own forms, whatever they are
type Json = Record<string, any>

/** Counts of a file, computed independently of the parsers. */
interface Count {
  calls: string[]
  results: string[]
  pairs: number
  reasoning: number
  assistantTexts: number
  fileChanges: number
  broken: number
  times: string[]
}

const none = (): Count => ({
  calls: [],
  results: [],
  pairs: 0,
  reasoning: 0,
  assistantTexts: 0,
  fileChanges: 0,
  broken: 0,
  times: [],
})

const logs = (folder: string) => {
  const path = join(directory, folder)
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []
}

const derive = (path: string) => deriveLog(createReadStream(path))

async function expectCounts(path: string, count: Count): Promise<void> {
  const { events, summary } = await derive(path)
  const times = count.times.map((time) => new Date(time).getTime())
  expect(summary).toMatchObject({
    bytes: readFileSync(path).byteLength,
    events: events.length,
    unparseable: count.broken,
    toolCalls: count.calls.length,
    toolResults: count.results.length,
    pairedToolResults: count.pairs,
    startedAt: times.length > 0 ? new Date(Math.min(...times)) : null,
    endedAt: times.length > 0 ? new Date(Math.max(...times)) : null,
  })
  expect(summary.kinds.reasoning).toBe(count.reasoning)
  expect(summary.kinds.file_change).toBe(count.fileChanges)
  const said = events.filter(({ kind, role }) => kind === 'message' && role === 'assistant')
  expect(said).toHaveLength(count.assistantTexts)
  for (const event of events.filter(({ kind, parentSeq }) => kind === 'tool_result' && parentSeq)) {
    expect(events[event.parentSeq ?? -1]).toMatchObject({ kind: 'tool_call', callId: event.callId })
  }
}

/** Calls and results in the order of the file, by their ids. */
type CallOrder = ['call' | 'result', string | undefined][]

function countCalls(count: Count, order: CallOrder): void {
  count.calls = order.flatMap(([what, id]) => (what === 'call' ? [id ?? ''] : []))
  count.results = order.flatMap(([what, id]) => (what === 'result' ? [id ?? ''] : []))
  count.pairs = pairsOf(order)
}

function pairsOf(order: CallOrder): number {
  const calls = new Set<string>()
  let pairs = 0
  for (const [what, id] of order) {
    if (what === 'call' && id !== undefined) calls.add(id)
    if (what === 'result' && id !== undefined && calls.has(id)) pairs += 1
  }
  return pairs
}

function countClaude(path: string): Count {
  const count = none()
  const order: CallOrder = []
  const inBlocks = (line: Json) => {
    const content = line.message?.content
    for (const block of Array.isArray(content) ? content : [content]) {
      const isAnswer =
        line.type === 'assistant' &&
        line.message.model !== '<synthetic>' &&
        line.isApiErrorMessage !== true
      if (typeof block === 'string' && isAnswer) count.assistantTexts += 1
      if (block?.type === 'text' && isAnswer) count.assistantTexts += 1
      if (block?.type === 'thinking') count.reasoning += 1
      if (block?.type === 'tool_use') order.push(['call', block.id])
      if (block?.type !== 'tool_result') continue
      order.push(['result', block.tool_use_id])
      const { structuredPatch, type } = line.toolUseResult ?? {}
      if (structuredPatch || type === 'create' || type === 'update') count.fileChanges += 1
    }
  }
  for (const physical of readFileSync(path, 'utf8').split('\n')) {
    // Only a summary is ever glued to the line before it.
    for (const text of physical.split(/(?<=\})(?=\{"type":"summary")/)) {
      if (text.trim() === '') continue
      let line: Json
      try {
        line = JSON.parse(text)
      } catch {
        count.broken += 1
        continue
      }
      if (/^\d{4}-/.test(line?.timestamp ?? '')) count.times.push(line.timestamp)
      if (line.type === 'user' || line.type === 'assistant') inBlocks(line)
      if (line.data?.type === 'agent_progress' && line.data.message) inBlocks(line.data.message)
    }
  }
  countCalls(count, order)
  return count
}

function countCodex(path: string): Count {
  const count = none()
  const order: CallOrder = []
  const said = { items: 0, told: 0 }
  const openPatches = new Set<string>()
  const searches = { calls: 0, ends: 0 }
  const summaries: string[] = []
  const toldReasoning: string[] = []
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text.trim() === '') continue
    let line: Json
    try {
      line = JSON.parse(text)
    } catch {
      count.broken += 1
      continue
    }
    const { timestamp, type, payload = {} } = line
    // One fixture's maker masked some of the times.
    if (/^\d{4}-/.test(timestamp ?? '')) count.times.push(timestamp)
    const what = `${type}/${payload.type}`
    if (type === 'session_meta' && /^\d{4}-/.test(payload.timestamp ?? ''))
      count.times.push(payload.timestamp)
    const id = payload.call_id ?? payload.id
    if (what === 'response_item/web_search_call') searches.calls += 1
    else if (/response_item\/\w+_call$/.test(what)) order.push(['call', id])
    if (what === 'event_msg/web_search_end') searches.ends += 1
    if (/response_item\/\w+_output$/.test(what)) order.push(['result', id])
    if (text.includes('*** Begin Patch') && /_call$/.test(what)) openPatches.add(id)
    if (what === 'event_msg/patch_apply_end') {
      openPatches.delete(id)
      count.fileChanges += 1
    } else if (/_output$/.test(what) && openPatches.delete(id) && /Success|Done!/.test(text)) {
      count.fileChanges += 1
    }
    if (what === 'event_msg/agent_message') said.told += 1
    if (what === 'response_item/message' && payload.role === 'assistant') said.items += 1
    if (what === 'event_msg/agent_reasoning') toldReasoning.push(payload.text)
    if (what === 'response_item/reasoning') {
      count.reasoning += 1
      summaries.push(...payload.summary.map((part: Json) => part.text))
    }
  }
  // Each text is logged twice, where there is a twin.
  count.assistantTexts = Math.max(said.items, said.told)
  count.reasoning += toldReasoning.filter((text) => !summaries.includes(text)).length
  countCalls(count, order)
  // The end of a search may precede its call.
  count.calls.push(...Array.from({ length: searches.calls }, () => 'search'))
  count.results.push(...Array.from({ length: searches.ends }, () => 'search'))
  // One fixture's maker masked the ids.
  const isMasked = path.includes('schema-drift')
  count.pairs += isMasked ? 0 : Math.min(searches.calls, searches.ends)
  return count
}

function countGemini(path: string): Count {
  const text = readFileSync(path, 'utf8')
  const count = none()
  let lines: Json[]
  try {
    const document = JSON.parse(text)
    lines = Array.isArray(document) ? document : [document, ...document.messages]
  } catch {
    lines = text.split('\n').flatMap((line) => (line.trim() ? [JSON.parse(line)] : []))
  }
  for (const line of lines) {
    for (const time of [line.startTime, line.timestamp]) if (time) count.times.push(time)
    if (line.type === 'gemini' && (line.content || line.message)) count.assistantTexts += 1
    for (const thought of line.thoughts ?? []) {
      count.reasoning += 1
      count.times.push(thought.timestamp ?? line.timestamp)
    }
    for (const call of line.toolCalls ?? []) {
      count.calls.push(call.id)
      if (call.result || call.status) count.results.push(call.id)
      count.times.push(call.timestamp ?? line.timestamp)
      if (call.resultDisplay?.fileDiff !== undefined) count.fileChanges += 1
    }
  }
  const calls = new Set(count.calls.filter((id) => typeof id === 'string'))
  count.pairs = count.results.filter((id) => calls.has(id)).length
  return count
}

describe('Claude Code', () => {
  test.each(logs('claude-code'))('%s: counts, times and pairs', async (path) => {
    await expectCounts(path, countClaude(path))
  })
})

describe('Codex', () => {
  test.each(logs('codex'))('%s: counts, times and pairs', async (path) => {
    await expectCounts(path, countCodex(path))
  })
})

describe('Gemini CLI', () => {
  test.each(logs('gemini-cli'))('%s: counts, times and pairs', async (path) => {
    await expectCounts(path, countGemini(path))
  })
})

const parserOf: Record<string, RegExp> = {
  codex: /^codex$/,
  'claude-code': /^claude-code$/,
  'gemini-cli': /^gemini-cli$/,
  other: /^(?:copilot-cli|cursor|opencode|qwen-code|text)$/,
}

describe.each(Object.keys(parserOf))('%s', (folder) => {
  test.each(logs(folder))('%s: detects the format and covers every line', async (path) => {
    const { events, summary } = await derive(path)
    expect(summary.parser.name).toMatch(parserOf[folder] ?? /never/)
    const agent = /^(?:copilot|cursor|opencode|qwen)/.exec(basename(path))?.[0]
    if (folder === 'other') expect(summary.parser.name).toContain(agent ?? 'text')
    const covered = new Set<number>()
    for (const { data } of events) {
      const line = Number(data.line)
      for (let at = line; at <= Number(data.endLine ?? line); at++) covered.add(at)
    }
    const lines = readFileSync(path, 'utf8').split('\n')
    const filled = lines.flatMap((text, index) => (text.trim() === '' ? [] : [index + 1]))
    expect([...covered].sort((a, b) => a - b)).toEqual(filled)
  })
})
