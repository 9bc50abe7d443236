import { describe, expect, test } from 'vitest'
import { type DerivedEvent, defineTimelineParser } from '../../../src/timeline/index.ts'
import { deriveText } from './derive-log.ts'

const derive = (...lines: object[]) =>
  deriveText(lines.map((line) => JSON.stringify(line)).join('\n'))

const T = (second: number) => new Date(Date.UTC(2026, 10, 1, 10, 0, second))
const at = (second: number) => T(second).toISOString()
const told = ({ kind, role, title, text }: DerivedEvent) => [kind, role, title ?? text]

describe('any log', () => {
  const claude = (type: string, content: unknown, more: object = {}) => ({
    type,
    sessionId: 'a1',
    parentUuid: null,
    message: { role: type, content },
    ...more,
  })

  test('takes the title from the first prompt', async () => {
    const { summary } = await derive(
      claude('assistant', 'Welcome'),
      claude('user', '\n  Fix the build  \nplease'),
      claude('user', 'And the tests'),
    )
    expect(summary.title).toBe('Fix the build')
  })

  test('links a result to its call rather than to the call that started its agent', async () => {
    const inner = {
      type: 'user',
      message: { content: [{ type: 'tool_result', tool_use_id: 'inner', content: 'done' }] },
    }
    const progress = (message: object) => ({
      type: 'progress',
      sessionId: 'a1',
      parentToolUseID: 'outer',
      data: { type: 'agent_progress', agentId: 'g1', message },
    })
    const { events } = await derive(
      claude('assistant', [{ type: 'tool_use', id: 'outer', name: 'Task', input: {} }]),
      progress({
        type: 'assistant',
        message: { content: [{ type: 'tool_use', id: 'inner', name: 'Bash', input: {} }] },
      }),
      progress(inner),
      progress({ type: 'assistant', message: { content: 'All done' } }),
    )
    expect(events.map(({ kind, parentSeq }) => [kind, parentSeq])).toEqual([
      ['tool_call', null],
      ['tool_call', 0],
      ['tool_result', 1],
      ['message', 0],
    ])
    expect(events.slice(1).map(({ data }) => [data.sidechain, data.agentId])).toEqual([
      [true, 'g1'],
      [true, 'g1'],
      [true, 'g1'],
    ])
  })

  test('picks the first of two equally confident parsers', async () => {
    const parser = (name: string) =>
      defineTimelineParser({
        name,
        version: 1,
        detect: () => 0.5,
        create: () => ({ facts: {}, push: () => [], finish: () => [] }),
      })
    const { summary } = await deriveText('text', { parsers: [parser('first'), parser('second')] })
    expect(summary.parser.name).toBe('first')
  })

  test('splits lines at CRLF and at LF', async () => {
    const { events } = await deriveText('one\r\ntwo\r\n\r\nthree')
    expect(events.map(({ text, data }) => [text, data.line])).toEqual([
      ['one', 1],
      ['two', 2],
      ['three', 4],
    ])
  })

  test('separates objects on one line, whatever their texts contain', async () => {
    const texts = ['a "quoted" }{ text', 'ends in a backslash \\', '\\"}{"', '']
    const line = texts.map((text) => JSON.stringify({ type: 'x', text })).join('')
    const { events, summary } = await deriveText(line)
    expect(events.map(({ data }) => data.text)).toEqual(texts)
    expect(summary.unparseable).toBe(0)
  })

  test('pairs calls by ids that are cut', async () => {
    const id = 'c'.repeat(500)
    const { events, summary } = await derive(
      claude('assistant', [{ type: 'tool_use', id, name: 'Bash', input: {} }]),
      claude('user', [{ type: 'tool_result', tool_use_id: id, content: '' }]),
    )
    const cut = expect.stringMatching(/^c{128}(?!c)/)
    expect(events.map(({ callId }) => callId)).toEqual([cut, cut])
    expect(summary.pairedToolResults).toBe(1)
  })
})

describe('Claude Code', () => {
  const base = { sessionId: 'a1', parentUuid: null, cwd: '/work/app', gitBranch: 'main' }
  const line = (type: string, content: unknown, more: object = {}) => ({
    ...base,
    type,
    message: { role: type, content },
    ...more,
  })

  test('treats injected user lines as system events', async () => {
    const { events } = await derive(
      line('user', 'Typed'),
      line('user', 'Injected', { isMeta: true }),
      line('user', '<command-name>/clear</command-name>'),
      line('user', '[Request interrupted by user]'),
      line('user', 'Summary of before', { isCompactSummary: true }),
      line('assistant', 'Caveat: I may be wrong'),
    )
    expect(events.map(told)).toEqual([
      ['message', 'user', 'Typed'],
      ['system', 'system', 'context'],
      ['system', 'system', 'context'],
      ['system', 'system', 'interrupted'],
      ['system', 'system', 'context summary'],
      ['message', 'assistant', 'Caveat: I may be wrong'],
    ])
  })

  test('gives lines without a time that of the line before, and prefers a custom title', async () => {
    const { events, summary } = await derive(
      { ...line('user', 'Hello'), timestamp: at(1) },
      { type: 'custom-title', customTitle: 'First name', sessionId: 'a1' },
      { type: 'ai-title', aiTitle: 'Made up', sessionId: 'a1' },
      { ...line('assistant', 'Hi'), timestamp: at(5) },
      { type: 'custom-title', customTitle: 'Second name', sessionId: 'a1' },
    )
    expect(events.map(({ occurredAt }) => occurredAt)).toEqual([T(1), T(1), T(1), T(5), T(5)])
    expect(summary).toMatchObject({
      title: 'Second name',
      startedAt: T(1),
      endedAt: T(5),
      workspaceRoot: '/work/app',
      repo: { branch: 'main' },
    })
  })

  test('marks failed results and derives file changes', async () => {
    const result = (id: string, toolUseResult: unknown, more: object = {}) => ({
      ...line('user', [{ type: 'tool_result', tool_use_id: id, content: 'out', ...more }]),
      toolUseResult,
    })
    const { events } = await derive(
      result('1', 'failed', { is_error: true }),
      result('2', { type: 'create', filePath: '/a.ts' }),
      result('3', { type: 'update', filePath: '/b.ts', structuredPatch: [] }),
      result('4', { type: 'update', filePath: '/c.ts' }),
      result('5', { type: 'text', file: {} }),
    )
    expect(events.map(({ kind, title, callId }) => [kind, title, callId])).toEqual([
      ['tool_result', null, '1'],
      ['tool_result', null, '2'],
      ['file_change', '/a.ts', '2'],
      ['tool_result', null, '3'],
      ['file_change', '/b.ts', '3'],
      ['tool_result', null, '4'],
      ['file_change', '/c.ts', '4'],
      ['tool_result', null, '5'],
    ])
    expect(events[0]?.data.isError).toBe(true)
    expect(events[1]?.data).not.toHaveProperty('isError')
  })

  test('leaves out the headers of a failed request', async () => {
    const { events } = await derive(line('user', 'Hi'), {
      ...base,
      type: 'system',
      subtype: 'api_error',
      error: { status: 529, headers: { 'anthropic-organization-id': 'org-1' } },
    })
    expect(events[1]).toMatchObject({ title: 'api error', data: { error: { status: 529 } } })
    expect(JSON.stringify(events)).not.toContain('org-1')
  })

  test('does not detect another agent with the same envelope', async () => {
    const { summary } = await derive({
      sessionId: 'q1',
      parentUuid: null,
      type: 'user',
      message: { role: 'user', parts: [{ text: 'Hi' }] },
    })
    expect(summary.format).toBe('qwen-code')
  })
})

describe('Codex', () => {
  const item = (payload: object, second = 3) => ({
    timestamp: at(second),
    type: 'response_item',
    payload,
  })
  const meta = (payload: object, second = 2) => ({
    timestamp: at(second),
    type: 'session_meta',
    payload,
  })

  test('takes the start from the session header, not from that of a fork parent', async () => {
    const { summary } = await derive(
      meta({
        id: 'own',
        timestamp: at(1),
        cwd: '/work/app',
        git: { branch: 'main', repository_url: 'git@example.com:org/app.git' },
      }),
      meta({ id: 'parent', timestamp: at(0), cwd: '/elsewhere' }),
      item({ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Go' }] }, 9),
    )
    expect(summary).toMatchObject({
      agentSessionId: 'own',
      workspaceRoot: '/work/app',
      repoLabel: 'org/app',
      startedAt: T(1),
      endedAt: T(9),
      title: 'Go',
    })
  })

  test('names the tool and server of a call, and the exit code of a result', async () => {
    const call = { type: 'function_call', arguments: '{"cmd":"ls"}' }
    const output = (call_id: string, text: string) =>
      item({ type: 'function_call_output', call_id, output: text })
    const { events, summary } = await derive(
      meta({ id: 'own' }),
      item({ ...call, name: 'list', namespace: 'mcp__files', call_id: '1' }),
      output('1', 'Process exited with code 2\nOutput:\n'),
      item({ ...call, name: 'shell', call_id: '2' }),
      output('2', JSON.stringify({ output: 'fine', metadata: { exit_code: 7 } })),
      item({ ...call, name: 'apply_patch', call_id: '3' }),
      output('3', 'Exit code: 0\nWall time: 1'),
      item({ type: 'web_search_call', id: '4', action: { query: 'electric' } }),
      { timestamp: at(4), type: 'event_msg', payload: { type: 'web_search_end', call_id: '4' } },
      item({ type: 'tool_search_call', call_id: '5', arguments: {} }),
      item({ type: 'tool_search_output', call_id: '5', tools: [] }),
    )
    const calls = events.filter(({ kind }) => kind === 'tool_call')
    expect(calls.map(({ toolName, callId }) => [toolName, callId])).toEqual([
      ['mcp__files.list', '1'],
      ['shell', '2'],
      ['apply_patch', '3'],
      ['web_search', '4'],
      ['tool_search', '5'],
    ])
    const results = events.filter(({ kind }) => kind === 'tool_result')
    expect(results.map(({ data }) => data.exitCode)).toEqual([2, 7, 0, undefined, undefined])
    expect(summary.pairedToolResults).toBe(5)
  })

  test('pairs twins by text across lines in between', async () => {
    const spoken = (text: string) =>
      item({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] })
    const shown = (text: string) => ({
      timestamp: at(3),
      type: 'event_msg',
      payload: { type: 'agent_message', message: text },
    })
    const between = { timestamp: at(3), type: 'event_msg', payload: { type: 'token_count' } }
    const { events } = await derive(
      meta({ id: 'own' }),
      spoken('one'),
      spoken('two'),
      between,
      between,
      shown('one'),
      shown('two'),
    )
    expect(events.filter(({ kind }) => kind === 'message').map(({ text }) => text)).toEqual([
      'one',
      'two',
    ])
    expect(
      events.filter(({ title }) => title === 'repeated').map(({ text, data }) => [text, data.line]),
    ).toEqual([
      ['one', 6],
      ['two', 7],
    ])
  })

  test('keeps reasoning shown in pieces once, and reasoning that was only shown', async () => {
    const shown = (text: string) => ({
      timestamp: at(3),
      type: 'event_msg',
      payload: { type: 'agent_reasoning', text },
    })
    const { events } = await derive(
      meta({ id: 'own' }),
      shown('first'),
      shown('second'),
      item({
        type: 'reasoning',
        summary: [
          { type: 'summary_text', text: 'first' },
          { type: 'summary_text', text: 'second' },
        ],
      }),
      shown('alone'),
    )
    expect(events.filter(({ kind }) => kind === 'reasoning').map(({ text }) => text)).toEqual([
      'first\nsecond',
      'alone',
    ])
  })
})

describe('Gemini CLI', () => {
  const message = (id: string, content: string, more: object = {}) => ({
    id,
    type: 'gemini',
    timestamp: at(3),
    content,
    ...more,
  })
  const head = { sessionId: 'g1', projectHash: 'p', startTime: at(0) }

  test('adds only the new parts of a rewritten message', async () => {
    const call = { id: 'c1', name: 'read', args: { path: 'a' }, timestamp: at(4) }
    const { events, summary } = await derive(
      head,
      message('m1', 'Reading', { toolCalls: [call] }),
      message('m1', 'Reading', { toolCalls: [{ ...call, status: 'success', result: [] }] }),
    )
    expect(events.map(({ kind, title }) => [kind, title])).toEqual([
      ['meta', 'session'],
      ['message', null],
      ['tool_call', null],
      ['tool_result', null],
      ['meta', 'repeated'],
    ])
    expect(summary).toMatchObject({ toolCalls: 1, toolResults: 1, pairedToolResults: 1 })
  })

  test('takes times of thoughts, the start of the document and the lines of messages', async () => {
    const document = {
      ...head,
      messages: [
        message('m1', 'One', { thoughts: [{ subject: 'S', description: 'D', timestamp: at(2) }] }),
        message('m2', 'Two'),
      ],
    }
    const text = JSON.stringify(document, null, 2)
    const { events, summary } = await deriveText(text)
    expect(summary).toMatchObject({ agentSessionId: 'g1', startedAt: T(0), endedAt: T(3) })
    expect(events.map(({ kind, occurredAt }) => [kind, occurredAt])).toEqual([
      ['reasoning', T(2)],
      ['message', T(3)],
      ['message', T(3)],
      ['meta', null],
    ])
    const lineOf = (part: string) => text.split('\n').findIndex((each) => each.includes(part)) + 1
    expect(events[2]?.data.line).toBe(lineOf('"m2"') - 1)
    expect(events[1]?.data.endLine).toBe(lineOf('"m2"') - 2)
  })
})
