import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { refusalOf } from '../../../src/timeline/content.ts'
import type { DerivedEvent } from '../../../src/timeline/index.ts'
import { chunked, type DerivedLog, deriveLog, deriveText } from './derive-log.ts'

const directory = join(import.meta.dirname, '../../fixtures/session-log-cases')
const derive = (name: string) => deriveLog(createReadStream(join(directory, name)))
const deriveLines = (...lines: object[]) =>
  deriveText(lines.map((line) => JSON.stringify(line)).join('\n'))

const isPrompt = ({ kind, role }: DerivedEvent) => kind === 'message' && role === 'user'
const textsOf = (events: readonly DerivedEvent[]) => events.map(({ text }) => text)
const prompts = ({ events }: DerivedLog) => textsOf(events.filter(isPrompt))
const shownPrompts = ({ events }: DerivedLog) =>
  textsOf(events.filter((event) => isPrompt(event) && event.fold === null))
const answers = ({ events }: DerivedLog) =>
  textsOf(
    events.filter(({ kind, role, fold }) => kind === 'message' && role === 'assistant' && !fold),
  )
const contexts = ({ events }: DerivedLog) =>
  events.filter(
    ({ kind, role, fold, title }) =>
      [kind, role, fold, title].join() === 'system,system,context,context',
  )
const calls = ({ events }: DerivedLog) =>
  events
    .filter(({ kind }) => kind === 'tool_call')
    .map(({ toolName, callId }) => [toolName, callId])
const results = ({ events }: DerivedLog) =>
  events.filter(({ kind }) => kind === 'tool_result').map(({ text, callId }) => [text, callId])

describe('Codex', () => {
  const at = (second: number) => `2026-09-01T10:00:${String(second).padStart(2, '0')}.000Z`
  const meta = (payload: object, second = 0) => ({
    timestamp: at(second),
    type: 'session_meta',
    payload: { id: 'own', cwd: '/srv/app', ...payload },
  })
  const item = (payload: object, second = 1) => ({
    timestamp: at(second),
    type: 'response_item',
    payload,
  })
  const user = (...texts: string[]) =>
    item({
      type: 'message',
      role: 'user',
      content: texts.map((text) => ({ type: 'input_text', text })),
    })
  const event = (type: string, payload: object = {}, second = 1) => ({
    timestamp: at(second),
    type: 'event_msg',
    payload: { type, ...payload },
  })

  test('separates injected context from the prompt', async () => {
    const log = await derive('codex-injected-context.jsonl')
    expect(log.summary.title).toBe('Fix the tests please')
    expect(prompts(log)).toEqual(['Fix the tests please'])
    expect(contexts(log)).toHaveLength(10)
    expect(answers(log)).toEqual(['On it.'])
  })

  test('takes an unknown element for context only before the first prompt', async () => {
    const unknown = '<brand_new_context id="1">\nx\n</brand_new_context>'
    const log = await deriveLines(
      meta({}),
      user(unknown),
      user('Begin'),
      user('<b>not context</b>'),
    )
    expect(prompts(log)).toEqual(['Begin', '<b>not context</b>'])
    expect(log.summary.title).toBe('Begin')
  })

  test.each([
    ['in one text', ['<environment_context>x</environment_context>\n\nFix it']],
    [
      'in two blocks',
      ['# AGENTS.md instructions for /srv\n\n<INSTRUCTIONS>x</INSTRUCTIONS>', 'Fix it'],
    ],
    ['after the prompt', ['Fix it\n<system-reminder>x</system-reminder>']],
  ])('keeps a prompt that comes with context %s', async (_, texts) => {
    const log = await deriveLines(meta({}), user(...texts))
    expect(prompts(log)).toEqual(['Fix it'])
    expect(contexts(log)).toHaveLength(1)
    expect(log.summary.title).toBe('Fix it')
  })

  test('reads the request of a prompt from an IDE, once', async () => {
    const text =
      '# Context from my IDE setup:\n\n## Active file: a.ts\n\n## My request for Codex:\nFix it\n'
    const log = await deriveLines(meta({}), user(text), event('user_message', { message: text }))
    expect(prompts(log)).toEqual(['Fix it'])
    expect(log.summary.title).toBe('Fix it')
  })

  test('keeps neighbours that differ as two prompts', async () => {
    const log = await deriveLines(meta({}), user('one'), event('user_message', { message: 'two' }))
    expect(prompts(log)).toEqual(['one', 'two'])
  })

  test('prefers the name of the thread to the first prompt', async () => {
    const named = event('thread_name_updated', { thread_name: 'Login' })
    const log = await deriveLines(meta({}), user('Fix it'), named)
    expect(log.summary.title).toBe('Login')
  })

  test('marks the history that a fork replays', async () => {
    const log = await derive('codex-fork-replay.jsonl')
    expect(log.summary).toMatchObject({
      agentSessionId: 'child',
      title: 'New question in fork',
      usage: { inputTokens: 0, outputTokens: 0 },
    })
    expect(shownPrompts(log)).toEqual(['New question in fork'])
    const replayed = log.events.filter(({ fold }) => fold === 'replayed')
    expect(textsOf(replayed)).toEqual(expect.arrayContaining(['Old question', 'Old answer']))
  })

  test.each([
    ['its old times', [1, 2, 3, 4], 10],
    ['one burst', [10, 10, 10, 10], 20],
  ])('ends a replay with %s at the first prompt of the fork', async (_, times, own) => {
    const ask = (text: string, second: number) => event('user_message', { message: text }, second)
    const tokens = (count: number, second: number) =>
      event(
        'token_count',
        { info: { total_token_usage: { input_tokens: count, output_tokens: count } } },
        second,
      )
    const log = await deriveLines(
      meta({ id: 'child', forked_from_id: 'parent' }, 10),
      meta({ id: 'parent' }, times[0]),
      ask('one', times[1] ?? 0),
      tokens(100, times[2] ?? 0),
      ask('two', times[3] ?? 0),
      ask('three', own),
      tokens(130, own + 1),
      ask('four', own + 2),
    )
    expect(shownPrompts(log)).toEqual(['three', 'four'])
    expect(log.summary).toMatchObject({ title: 'three', usage: { inputTokens: 30 } })
  })

  test('marks turns that were rolled back', async () => {
    const ask = (text: string) => event('user_message', { message: text })
    const log = await deriveLines(
      ...[meta({}), ask('one'), ask('two'), ask('three')],
      ...[event('thread_rolled_back', { num_turns: 2 }), ask('two, said better')],
    )
    expect(shownPrompts(log)).toEqual(['one', 'two, said better'])
    expect(log.events.filter(({ fold }) => fold === 'rewound')).toHaveLength(2)
  })

  test('counts running totals once, across a restart of the count', async () => {
    const tokens = (output_tokens: number) =>
      event('token_count', { info: { total_token_usage: { input_tokens: 10, output_tokens } } })
    const { summary } = await deriveLines(meta({}), ...[5, 5, 9, 2].map(tokens))
    expect(summary.usage).toMatchObject({ inputTokens: 20, outputTokens: 11 })
  })

  test('keeps a whole record after one that was cut off', async () => {
    const log = await derive('codex-cut-line-then-whole.jsonl')
    expect(prompts(log)).toEqual(['after', 'last'])
    expect(log.summary).toMatchObject({ unparseable: 2, lines: 4 })
    expect(log.events.at(-1)?.data.bytes).toEqual([1071, log.summary.bytes])
  })

  test('reads a line of many cut records in linear time', async () => {
    const line = '{"timestamp":"x","type":"a","payload":{"'.repeat(100_000)
    const start = performance.now()
    const { summary } = await deriveText(`${JSON.stringify(meta({}))}\n${line}`)
    expect(summary.unparseable).toBe(1)
    expect(performance.now() - start).toBeLessThan(3_000)
  })

  test.each(['gz', 'zst'])('reads a rollout that is compressed as .%s', async (extension) => {
    const log = await derive(`codex-rollout.jsonl.${extension}`)
    expect(log.summary).toMatchObject({ format: 'codex', title: 'hello', lines: 120 })
    expect(prompts(log)).toHaveLength(30)
  })

  test('pairs web searches whose end precedes their call', async () => {
    const end = (id: string) => event('web_search_end', { call_id: id, query: 'electric' })
    const call = (more: object) =>
      item({ type: 'web_search_call', action: { query: 'electric' }, ...more })
    const log = await deriveLines(meta({}), end('ws1'), call({}), end('ws2'), call({ id: 'ws2' }))
    expect(log.summary).toMatchObject({ toolCalls: 2, toolResults: 2, pairedToolResults: 2 })
  })

  const patch = '*** Begin Patch\n*** Update File: a.ts\n@@\n-old\n+new\n+more\n*** End Patch'
  const patchCall = (id: string) =>
    item({ type: 'custom_tool_call', name: 'apply_patch', call_id: id, input: patch })
  const output = (id: string, text: string) =>
    item({ type: 'custom_tool_call_output', call_id: id, output: text })

  test('derives the change of a patch without an end of its own', async () => {
    const success = 'Exit code: 0\nOutput:\nSuccess. Updated the following files:\nM a.ts'
    const { events } = await deriveLines(meta({}), patchCall('p1'), output('p1', success))
    const change = events.find(({ kind }) => kind === 'file_change')
    expect(change).toMatchObject({
      title: 'a.ts',
      callId: 'p1',
      text: expect.stringContaining('+more'),
      data: { paths: ['a.ts'], linesAdded: 2, linesRemoved: 1 },
    })
  })

  test.each([
    [
      'its output',
      [patchCall('p1'), output('p1', 'Exit code: 1\nOutput:\nFailed to find context')],
    ],
    [
      'its end',
      [event('patch_apply_end', { call_id: 'p1', success: false, changes: { 'a.ts': {} } })],
    ],
  ])('derives no change of a patch that failed, as %s says', async (_, lines) => {
    const { events } = await deriveLines(meta({}), ...lines)
    expect(events.filter(({ kind }) => kind === 'file_change')).toEqual([])
  })

  test('derives one change of a patch with an end', async () => {
    const diff = { 'a.ts': { type: 'update', unified_diff: '@@ -1 +1 @@\n-old\n+new' } }
    const end = event('patch_apply_end', { call_id: 'p1', success: true, changes: diff })
    const { events } = await deriveLines(meta({}), patchCall('p1'), end, output('p1', 'Success.'))
    const changes = events.filter(({ kind }) => kind === 'file_change')
    expect(changes).toHaveLength(1)
    expect(changes[0]).toMatchObject({ data: { linesAdded: 1, linesRemoved: 1 } })
  })

  test('marks rows without text, and keeps the time of unknown envelopes', async () => {
    const { events } = await deriveLines(
      meta({}),
      item({ type: 'reasoning', summary: [], encrypted_content: 'x' }),
      item({
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: '\n\n' }],
      }),
      { timestamp: at(7), type: 'brand_new', payload: { a: 1 } },
    )
    expect(events.slice(1).map(({ fold }) => fold)).toEqual(['blank', 'blank', null])
    expect(events[3]?.occurredAt).toEqual(new Date(at(7)))
  })

  test('gives the prompt of a sub-agent another role than the user’s', async () => {
    const source = { subagent: { thread_spawn: { parent_thread_id: 'p' } } }
    const log = await deriveLines(meta({ source }), user('Look for files'))
    expect(prompts(log)).toEqual([])
    expect(log.events[1]).toMatchObject({ kind: 'message', role: 'agent' })
  })

  test.each([
    ['/srv/app/.claude/worktrees/12', 'app'],
    ['/srv/app/.worktrees/fix-login', 'app'],
    ['/srv/app__worktrees/42', 'app'],
    ['/home/ann/.codex/worktrees/3f2a/app', 'app'],
    ['C:\\work\\app', 'app'],
  ])('names the repository of %s', async (cwd, label) => {
    const { summary } = await deriveLines(meta({ cwd }))
    expect(summary.repoLabel).toBe(label)
  })

  test('has model and version of the agent', async () => {
    const turn = { timestamp: at(1), type: 'turn_context', payload: { model: 'gpt-6' } }
    const { summary } = await deriveLines(meta({ cli_version: '0.153.4' }), turn)
    expect(summary).toMatchObject({ model: 'gpt-6', agentVersion: '0.153.4' })
  })
})

describe('titles', () => {
  const ask = (message: string) => ({
    timestamp: '2026-09-01T10:00:00.000Z',
    type: 'event_msg',
    payload: { type: 'user_message', message },
  })

  test.each([
    [['yes', 'Fix the login'], 'Fix the login'],
    [['[image]\nWhat is wrong here?'], 'What is wrong here?'],
    [['Implement the following plan:\n\n# Add a login\n\nFirst'], 'Add a login'],
    [['hello'], 'hello'],
    [['```\ncode\n```\nExplain this'], 'code'],
  ])('%j are titled %s', async (texts, title) => {
    const { summary } = await deriveLines(...texts.map(ask))
    expect(summary.title).toBe(title)
  })
})

describe('Claude Code', () => {
  let count = 0
  const line = (type: string, content: unknown, more: object = {}) => {
    count += 1
    return {
      sessionId: 's1',
      parentUuid: null,
      type,
      uuid: `line-${count}`,
      message: { role: type, content },
      ...more,
    }
  }

  test('separates wrappers of the IDE, of hooks and of commands from prompts', async () => {
    const log = await derive('claude-ide-context.jsonl')
    expect(prompts(log)).toEqual(['Fix the bug here', 'and this'])
    expect(log.summary.title).toBe('Fix the bug here')
    expect(contexts(log)).toHaveLength(10)
  })

  test('counts copies once, marks abandoned branches, and keeps queued prompts', async () => {
    const log = await derive('claude-branches-queue-duplicates.jsonl')
    expect(prompts(log)).toEqual(['first', 'abandoned', 'second try', 'do this as well'])
    expect(shownPrompts(log)).toEqual(['first', 'second try', 'do this as well'])
    expect(answers(log)).toEqual(['ans1', 'ans good'])
    const abandoned = log.events.filter(({ fold }) => fold === 'abandoned')
    expect(textsOf(abandoned)).toEqual(['abandoned', 'ans abandoned'])
    const errors = log.events.filter(({ title }) => /api error/i.test(title ?? ''))
    expect(errors.map(({ kind, role }) => [kind, role])).toEqual([
      ['system', 'system'],
      ['system', 'system'],
    ])
    expect(errors[0]?.text).not.toContain('organization')
    expect(JSON.stringify(errors[0]?.data)).toContain('anthropic-organization-id')
  })

  test('does not take parallel tool calls for branches', async () => {
    const use = (id: string) => [{ type: 'tool_use', id, name: 'Bash', input: {} }]
    const result = (id: string) => [{ type: 'tool_result', tool_use_id: id, content: 'out' }]
    const log = await deriveLines(
      line('user', 'Go', { uuid: 'u1' }),
      line('assistant', use('a'), { uuid: 'a1', parentUuid: 'u1' }),
      line('assistant', use('b'), { uuid: 'a2', parentUuid: 'a1' }),
      line('user', result('a'), { uuid: 'r1', parentUuid: 'a1' }),
      line('user', result('b'), { uuid: 'r2', parentUuid: 'a2' }),
      line('assistant', 'Done', { uuid: 'a3', parentUuid: 'r2' }),
    )
    expect(log.events.filter(({ fold }) => fold === 'abandoned')).toEqual([])
  })

  test('keeps a prompt that is only in the queue, and drops the queue’s copy of one that was sent', async () => {
    const enqueue = (content: string) => ({
      type: 'queue-operation',
      operation: 'enqueue',
      sessionId: 's1',
      content,
    })
    const log = await deriveLines(
      ...[line('user', 'one'), enqueue('two'), enqueue('three')],
      ...[enqueue('<task-notification>x</task-notification>'), line('user', 'two')],
    )
    expect(prompts(log)).toEqual(['one', 'three', 'two'])
  })

  test('reads queued prompts of a person, as text and as blocks', async () => {
    const queued = (attachment: object) => ({
      ...{ type: 'attachment', sessionId: 's1', parentUuid: null },
      attachment: { type: 'queued_command', ...attachment },
    })
    const log = await deriveLines(
      line('user', 'one'),
      queued({ prompt: [{ type: 'text', text: 'two' }], origin: { kind: 'human' } }),
      queued({ prompt: 'done', commandMode: 'task-notification', origin: { kind: 'task' } }),
    )
    expect(prompts(log)).toEqual(['one', 'two'])
  })

  test('keeps the prompt after a leading reminder', async () => {
    const log = await deriveLines(line('user', '<system-reminder>x</system-reminder>\nFix it'))
    expect(prompts(log)).toEqual(['Fix it'])
    expect(contexts(log)).toHaveLength(1)
  })

  test('shows commands as typed', async () => {
    const command =
      '<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>the login</command-args>'
    const log = await deriveLines(line('user', command))
    expect(prompts(log)).toEqual(['/review the login'])
    expect(log.summary.title).toBe('/review the login')
  })

  test('names an image without its bytes, and takes the title from the text', async () => {
    const log = await derive('claude-image-first.jsonl')
    expect(log.summary.title).toBe('What is wrong in this screenshot?')
    expect(log.events[0]?.text).toMatch(/^\[image\]\n/)
    expect(JSON.stringify(log.events)).not.toContain('iVBORw0KGgo1iVBORw0KGgo1')
  })

  test('gives the prompt of a sub-agent another role, and no title', async () => {
    const log = await deriveLines(
      line('user', 'Search the code', { isSidechain: true }),
      line('user', 'Fix the login'),
    )
    expect(prompts(log)).toEqual(['Fix the login'])
    expect(log.summary.title).toBe('Fix the login')
  })

  test('does not take texts of the program for answers', async () => {
    const synthetic = (text: string) => ({
      ...line('assistant', ''),
      message: { role: 'assistant', model: '<synthetic>', content: [{ type: 'text', text }] },
    })
    const log = await deriveLines(
      line('user', 'Go'),
      ...[synthetic('No response requested.'), synthetic('API Error: 529 overloaded')],
    )
    expect(answers(log)).toEqual([])
  })

  test('counts usage once per answer, with its last report', async () => {
    const answer = (id: string, output_tokens: number) => ({
      ...line('assistant', ''),
      message: {
        ...{
          id,
          role: 'assistant',
          model: 'claude-opus-5',
          content: [{ type: 'text', text: 'x' }],
        },
        usage: { input_tokens: 10, output_tokens, cache_read_input_tokens: 7 },
      },
    })
    const { summary } = await deriveLines(answer('m1', 1), answer('m1', 9), answer('m2', 5))
    expect(summary).toMatchObject({
      model: 'claude-opus-5',
      usage: { inputTokens: 20, outputTokens: 14, cachedTokens: 14 },
    })
  })

  test('gives a change to the call that names its file, once', async () => {
    const use = (id: string, file_path: string) => ({
      type: 'tool_use',
      id,
      name: 'Edit',
      input: { file_path },
    })
    const result = (tool_use_id: string) => ({ type: 'tool_result', tool_use_id, content: 'ok' })
    const hunk = {
      oldStart: 1,
      oldLines: 1,
      newStart: 1,
      newLines: 2,
      lines: ['-old', '+new', '+more'],
    }
    const { events } = await deriveLines(
      line('assistant', [use('1', '/a.ts'), use('2', '/b.ts')]),
      line('user', [result('1'), result('2')], {
        toolUseResult: { filePath: '/b.ts', structuredPatch: [hunk] },
      }),
    )
    const changes = events.filter(({ kind }) => kind === 'file_change')
    expect(changes).toMatchObject([
      { callId: '2', title: '/b.ts', text: '@@ -1,1 +1,2 @@\n-old\n+new\n+more' },
    ])
    expect(changes[0]?.data).toMatchObject({ linesAdded: 2, linesRemoved: 1 })
  })

  test('takes a summary for the title if it is of this session', async () => {
    const summary = (text: string, leafUuid: string) => ({
      type: 'summary',
      summary: text,
      leafUuid,
    })
    const log = await deriveLines(
      ...[summary('Another session', 'elsewhere'), summary('This session', 'u1')],
      line('user', 'Fix it', { uuid: 'u1' }),
    )
    expect(log.summary.title).toBe('This session')
  })

  test('reads the stream of claude -p', async () => {
    const log = await deriveLines(
      { type: 'system', subtype: 'init', session_id: 's9', cwd: '/w', model: 'claude-opus-5' },
      {
        type: 'assistant',
        session_id: 's9',
        message: { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] },
      },
      { type: 'result', subtype: 'success', session_id: 's9', result: 'Hi', total_cost_usd: 0.25 },
    )
    expect(answers(log)).toEqual(['Hi'])
    expect(log.summary).toMatchObject({
      format: 'claude-code',
      agentSessionId: 's9',
      costUsd: 0.25,
    })
  })
})

describe('Gemini CLI', () => {
  const head = { sessionId: 'g1', projectHash: 'p', startTime: '2026-09-01T10:00:00.000Z' }
  const said = (id: string, type: string, content: unknown, more: object = {}) => ({
    ...{ id, type, content, timestamp: '2026-09-01T10:00:01.000Z' },
    ...more,
  })

  test('reads a checkpoint of all messages', async () => {
    const log = await derive('gemini-checkpoint.jsonl')
    expect(prompts(log)).toEqual(['Please fix the parser', 'thanks'])
    expect(answers(log)).toEqual(['Fixed it.'])
    expect(contexts(log).length).toBeGreaterThan(0)
    expect(log.summary).toMatchObject({
      title: 'Please fix the parser',
      usage: { inputTokens: 10, outputTokens: 3 },
    })
  })

  test('marks what was taken back', async () => {
    const log = await derive('gemini-rewind.jsonl')
    expect(shownPrompts(log)).toEqual(['one', 'two, said better'])
    expect(answers(log)).toEqual(['answer one', 'answer'])
    const rewound = log.events.filter(({ fold }) => fold === 'rewound')
    expect(textsOf(rewound)).toEqual(['two (taken back)', 'answer two'])
  })

  test('keeps the last version of a message that is written again', async () => {
    const log = await derive('gemini-rewritten-executing.jsonl')
    expect(answers(log)).toEqual(['Hello world, and more'])
    expect(calls(log)).toEqual([['run_shell_command', 'c1']])
    expect(results(log)).toEqual([['a b', 'c1']])
    expect(log.events.filter(({ data }) => data.isError)).toEqual([])
    expect(log.events.filter(({ kind }) => kind === 'reasoning')).toHaveLength(1)
    expect(prompts(log)).toEqual(['look\n[image]'])
  })

  test('replaces a version that was returned already', async () => {
    const log = await deriveLines(
      head,
      said('m1', 'gemini', 'Hello wor'),
      said('m2', 'user', 'next'),
      said('m1', 'gemini', 'Hello world'),
    )
    expect(answers(log)).toEqual(['Hello world'])
  })

  test('shows what was typed, and the text of an MCP result', async () => {
    const functionResponse = {
      id: 'c',
      response: { content: [{ type: 'text', text: 'from MCP' }] },
    }
    const call = {
      id: 'c',
      name: 'search',
      args: {},
      status: 'success',
      result: [{ functionResponse }],
    }
    const log = await deriveLines(
      head,
      said('m1', 'user', 'expanded', { displayContent: '/plan it' }),
      said('m2', 'gemini', '', { toolCalls: [call] }),
    )
    expect(prompts(log)).toEqual(['/plan it'])
    expect(results(log)).toEqual([['from MCP', 'c']])
  })
})

describe('other agents', () => {
  test('codex exec --json', async () => {
    const log = await derive('codex-exec-json.jsonl')
    expect(log.summary).toMatchObject({
      format: 'codex-exec',
      agentSessionId: 'th',
      usage: { inputTokens: 1, outputTokens: 2 },
    })
    expect(log.events.filter(({ kind }) => kind === 'reasoning')).toHaveLength(1)
    expect(calls(log)).toEqual([['shell', 'item_1']])
    expect(results(log)).toEqual([['a\nb', 'item_1']])
    expect(log.events.find(({ kind }) => kind === 'tool_result')?.data.exitCode).toBe(0)
    expect(answers(log)).toEqual(['Done'])
  })

  const wholes: [file: string, format: string, title: string, tool: [string, string | null][]][] = [
    ['copilot-cli.jsonl', 'copilot-cli', 'Fix the login', [['bash', 't']]],
    ['opencode-export.json', 'opencode', 'Greeting', [['bash', 'c']]],
    ['cursor-transcript.jsonl', 'cursor', 'Fix the login', [['Shell', null]]],
    ['goose.jsonl', 'goose', 'Fix login', [['developer__shell', 't']]],
    ['pi.jsonl', 'pi', 'Fix the login', []],
    ['qwen-code.jsonl', 'qwen-code', 'Fix the login', [['ls', 'c']]],
  ]

  test.each([
    ['ui_messages.json', 1],
    ['ui_messages.json, over several lines', 2],
  ])('Cline: %s', async (_, indent) => {
    const ts = 1_764_000_000_000
    const messages = [
      { ts, type: 'say', say: 'task', text: 'Fix the login', images: ['data:image/png;base64,AA'] },
      {
        ts: ts + 1,
        type: 'say',
        say: 'api_req_started',
        text: '{"tokensIn":5,"tokensOut":2,"cost":0.5}',
      },
      { ts: ts + 2, type: 'say', say: 'reasoning', text: 'Hm' },
      { ts: ts + 3, type: 'ask', ask: 'command', text: 'ls' },
      { ts: ts + 4, type: 'say', say: 'command_output', text: 'a.ts' },
      { ts: ts + 5, type: 'say', say: 'completion_result', text: 'Done' },
    ]
    const log = await deriveText(JSON.stringify(messages, null, indent - 1))
    expect(log.summary).toMatchObject({
      ...{ format: 'cline', title: 'Fix the login', costUsd: 0.5, unparseable: 0 },
      usage: { inputTokens: 5, outputTokens: 2 },
    })
    expect(prompts(log)).toEqual(['Fix the login\n[image]'])
    expect(calls(log)).toEqual([['command', null]])
    expect(results(log)).toEqual([['a.ts', null]])
    expect(answers(log)).toEqual(['Done'])
    expect(log.events[0]?.occurredAt).toEqual(new Date(ts))
  })

  test('Cline: api_conversation_history.json', async () => {
    const text = (...texts: string[]) => texts.map((each) => ({ type: 'text', text: each }))
    const details = '<environment_details>\n# Files\n</environment_details>'
    const log = await deriveText(
      JSON.stringify([
        { role: 'user', content: text('<task>\nFix the login\n</task>', details) },
        { role: 'assistant', content: text('Looking') },
        { role: 'user', content: text("[read_file for 'a.ts'] Result:\nx", details) },
        { role: 'user', content: text('<feedback>\nand this\n</feedback>') },
      ]),
    )
    expect(log.summary).toMatchObject({ format: 'cline', title: 'Fix the login' })
    expect(prompts(log)).toEqual(['Fix the login', 'and this'])
    expect(answers(log)).toEqual(['Looking'])
    expect(contexts(log)).toHaveLength(2)
    expect(log.events.find(({ kind }) => kind === 'tool_result')?.toolName).toBe('read_file')
  })

  test('Aider', async () => {
    const log = await deriveText(`
# aider chat started at 2026-01-02 03:04:05

> Aider v0.86.1
> Main model: gpt-5 with diff edit format
> Git repo: .git with 3 files

#### Fix the login
#### and the logout

Sure, here it is:

\`\`\`ts
#### not a prompt in an answer is read as one
\`\`\`

> Applied edit to login.ts
`)
    expect(log.summary).toMatchObject({
      ...{ format: 'aider', title: 'Fix the login', model: 'gpt-5', agentVersion: '0.86.1' },
      startedAt: new Date('2026-01-02T03:04:05Z'),
    })
    expect(prompts(log)[0]).toBe('Fix the login\nand the logout')
    expect(answers(log)[0]).toBe('Sure, here it is:\n```ts')
    expect(log.events.at(-1)).toMatchObject({ kind: 'system', text: 'Applied edit to login.ts' })
  })

  test('a ChatGPT export', async () => {
    const node = (id: string, parent: string | null, time: number, message: object) => ({
      id,
      parent,
      children: [],
      message: {
        id,
        create_time: 1_764_000_000 + time,
        recipient: 'all',
        metadata: {},
        ...message,
      },
    })
    const say = (role: string, ...parts: unknown[]) => ({
      author: { role },
      content: { content_type: 'text', parts },
    })
    const conversation = {
      ...{
        title: 'Greeting',
        create_time: 1_764_000_000,
        current_node: 'd',
        conversation_id: 'cg',
      },
      mapping: {
        root: { id: 'root', parent: null, children: ['a'], message: null },
        a: node('a', 'root', 1, say('user', 'Hello', { asset_pointer: 'file://x' })),
        b: node('b', 'a', 2, say('assistant', 'An answer not taken')),
        c: node('c', 'a', 3, {
          ...say('assistant', 'search("x")'),
          recipient: 'web',
          metadata: { model_slug: 'gpt-5' },
        }),
        d: node('d', 'c', 4, say('assistant', 'Hi')),
      },
    }
    for (const text of [JSON.stringify([conversation]), JSON.stringify([conversation], null, 2)]) {
      const log = await deriveText(text)
      expect(log.summary).toMatchObject({
        ...{ format: 'chatgpt', title: 'Greeting', agentSessionId: 'cg', model: 'gpt-5' },
      })
      expect(prompts(log)).toEqual(['Hello\n[image]'])
      expect(answers(log)).toEqual(['Hi'])
      expect(calls(log)).toEqual([['web', null]])
      expect(log.events.filter(({ fold }) => fold === 'abandoned')).toHaveLength(1)
    }
  })

  test('a Claude.ai export', async () => {
    const at = '2026-01-02T03:04:05.000000Z'
    const conversation = {
      ...{ uuid: 'ca', name: 'Greeting', created_at: at },
      chat_messages: [
        {
          uuid: '1',
          sender: 'human',
          text: 'Hello',
          content: [],
          created_at: at,
          files: [{ file_name: 'a.png' }],
        },
        {
          ...{ uuid: '2', sender: 'assistant', text: '', created_at: at },
          content: [
            { type: 'thinking', thinking: 'Hm' },
            { type: 'tool_use', id: 't', name: 'web_search', input: { q: 'x' } },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
    }
    for (const text of [JSON.stringify([conversation]), JSON.stringify([conversation], null, 2)]) {
      const log = await deriveText(text)
      expect(log.summary).toMatchObject({
        format: 'claude-ai',
        title: 'Greeting',
        agentSessionId: 'ca',
      })
      expect(prompts(log)).toEqual(['Hello'])
      expect(answers(log)).toEqual(['Hi'])
      expect(calls(log)).toEqual([['web_search', 't']])
      expect(log.events.filter(({ kind }) => kind === 'reasoning')).toHaveLength(1)
      expect(log.events.find(({ role }) => role === 'user')?.data.files).toEqual(['a.png'])
    }
  })

  test.each(wholes)('%s', async (file, format, title, tools) => {
    const log = await derive(file)
    expect(log.summary).toMatchObject({ format, title, unparseable: 0 })
    expect(prompts(log)).toEqual(['Fix the login'])
    if (format !== 'goose') expect(answers(log)).toEqual(['Done'])
    expect(calls(log)).toEqual(tools)
    if (format !== 'cursor') {
      expect(
        log.events.every(({ occurredAt, title: name }) => occurredAt || name === 'session'),
      ).toBe(true)
    }
    if (format !== 'cursor') expect(log.summary.workspaceRoot).toBe('/w')
  })

  test.each([
    [
      'OpenAI',
      [
        { role: 'user', content: 'Fix it' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'ls', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'a.txt' },
        { role: 'assistant', content: 'Done' },
      ],
    ],
    [
      'Anthropic',
      [
        { role: 'user', content: [{ type: 'text', text: 'Fix it' }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'ls', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'a.txt' }] },
        { role: 'assistant', content: [{ type: 'text', text: 'Done' }] },
      ],
    ],
    [
      'AI SDK',
      [
        { id: '1', role: 'user', parts: [{ type: 'text', text: 'Fix it' }] },
        {
          id: '2',
          role: 'assistant',
          parts: [
            {
              type: 'tool-ls',
              toolCallId: 'c',
              state: 'output-available',
              input: {},
              output: 'a.txt',
            },
            { type: 'text', text: 'Done' },
          ],
        },
      ],
    ],
  ])('messages of %s, as an array, as lines and in an object', async (_, messages) => {
    for (const text of [
      JSON.stringify(messages),
      messages.map((message) => JSON.stringify(message)).join('\n'),
      JSON.stringify({ title: 'Mine', messages }),
    ]) {
      const log = await deriveText(text)
      expect(prompts(log)).toEqual(['Fix it'])
      expect(answers(log)).toEqual(['Done'])
      expect(calls(log)).toEqual([['ls', 'c']])
      expect(results(log)).toEqual([['a.txt', 'c']])
    }
  })

  test.each([
    ['ISO', '2026-09-01T10:00:00Z'],
    ['seconds', 1788256800],
    ['milliseconds', 1788256800000],
  ])('unknown JSON Lines with times in %s', async (_, time) => {
    const log = await deriveLines(
      { event: { role: 'human', text: 'Fix it' }, ts: time },
      { speaker: 'ai', message: 'Done', created_at: time },
      { type: 'tool_call', tool_name: 'ls', call_id: 'c', arguments: { path: '/' }, time },
      { type: 'tool_result', tool_name: 'ls', call_id: 'c', output: 'a.txt', time },
    )
    expect(prompts(log)).toEqual(['Fix it'])
    expect(answers(log)).toEqual(['Done'])
    expect(calls(log)).toEqual([['ls', 'c']])
    expect(results(log)).toEqual([['a.txt', 'c']])
    const expected = new Date('2026-09-01T10:00:00Z')
    expect(log.events.map(({ occurredAt }) => occurredAt)).toEqual(Array(4).fill(expected))
    expect(log.events[0]?.data).toMatchObject({ event: { role: 'human', text: 'Fix it' } })
  })

  test('a Markdown transcript', async () => {
    const log = await deriveText(
      '# Session\n\n## User\n\nFix it\n\nplease\n\n## Assistant\n\nDone\n',
    )
    expect(prompts(log)).toEqual(['Fix it\nplease'])
    expect(answers(log)).toEqual(['Done'])
  })
})

describe('content that is no log', () => {
  const file = (name: string) => readFileSync(join(directory, name))

  test.each([
    ['an empty file', file('empty.jsonl'), 'The file is empty.'],
    ['a database', file('sqlite-database.db'), 'This is a SQLite database, not a session log.'],
    ['an archive', Buffer.from('PK\x03\x04rest', 'latin1'), 'This is a ZIP archive'],
    ['an image', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'This is a PNG image'],
    ['a document', Buffer.from('%PDF-1.7\n'), 'This is a PDF document'],
    [
      'a binary',
      Buffer.from(Array.from({ length: 999 }, (_, index) => index % 7)),
      'This is a binary file',
    ],
  ])('refuses %s with a reason', (_, bytes, reason) => {
    expect(refusalOf(bytes)).toContain(reason)
  })

  test.each(['{"a":1}', 'not json \0', '\x1b[31mred\x1b[0m', 'Grüße, 世界'])(
    'takes %j for text',
    (text) => {
      expect(refusalOf(Buffer.from(text))).toBeUndefined()
    },
  )

  test('refuses what is inside of a compressed file', async () => {
    const inside = gzipSync(file('sqlite-database.db'))
    await expect(deriveLog(chunked(inside))).rejects.toThrow('This is a SQLite database')
  })

  test('refuses a compressed file that is damaged or too large', async () => {
    const whole = gzipSync(Buffer.alloc(1_000_000, 'a line of text\n'))
    await expect(deriveLog(chunked(whole.subarray(0, 500)))).rejects.toThrow(
      'damaged or incomplete',
    )
    await expect(deriveLog(chunked(whole), { maxBytes: 10_000 })).rejects.toThrow('unpacks to more')
  })

  test.each([
    ['with a mark', 'utf16le', '\uFEFF'],
    ['without a mark', 'utf16le', ''],
  ] as const)('reads UTF-16 %s', async (_, encoding, mark) => {
    const text = mark + JSON.stringify({ role: 'user', content: 'Grüße' })
    const log = await deriveLog(chunked(Buffer.from(text, encoding), 7))
    expect(prompts(log)).toEqual(['Grüße'])
  })
})
