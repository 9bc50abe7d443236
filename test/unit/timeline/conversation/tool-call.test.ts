import { describe, expect, test } from 'vitest'
import { describeToolCall, toolOutcome } from '../../../../src/timeline/conversation/tool-call.ts'
import { event } from './events.ts'

const call = (toolName: string, input: unknown, text: string | null = null) =>
  event(0, { kind: 'tool_call', toolName, text, data: { input: input as never } })

describe('describeToolCall', () => {
  test.each([
    ['exec_command', { cmd: 'cd /repo && npm test' }, 'run', 'npm test'],
    ['shell', { command: ['bash', '-lc', 'git status\ngit diff'] }, 'run', 'git status …'],
    ['Bash', { command: 'bun run lint', description: 'Lint' }, 'run', 'bun run lint'],
    ['Read', { file_path: '/repo/src/a.ts' }, 'read', 'src/a.ts'],
    ['write_file', { content: 'x', file_path: '/repo/b.css' }, 'write', 'b.css'],
    ['replace', { instruction: 'x', file_path: 'c.css', old_string: '' }, 'edit', 'c.css'],
    ['Grep', { pattern: 'TODO', path: '/repo/src' }, 'search', 'TODO in src'],
    ['WebFetch', { url: 'https://example.org', prompt: 'x' }, 'fetch', 'https://example.org'],
    ['Task', { description: 'Read the docs', prompt: 'Long' }, 'agent', 'Read the docs'],
    ['AskUserQuestion', { questions: [{ question: 'Which?' }] }, 'ask', 'Which?'],
    ['mcp__browser__navigate', { tabId: 4, url: 'http://a.b' }, 'other', 'http://a.b'],
    ['update_plan', { plan: [] }, 'plan', ''],
  ] as const)('%s %j: %s %s', (name, input, action, subject) => {
    expect(describeToolCall(call(name, input), '/repo')).toMatchObject({ action, subject })
  })

  test('names the step of a plan', () => {
    const todos = [
      { content: 'Read', status: 'completed' },
      { content: 'Write', status: 'in_progress' },
    ]
    expect(describeToolCall(call('TodoWrite', { todos })).subject).toBe('Write (1 of 2 done)')
  })

  test('names the files of a patch, in the input or the text', () => {
    const patch = '*** Begin Patch\n*** Add File: a.ts\n+x\n*** Delete File: b.ts\n*** End Patch'
    expect(describeToolCall(call('apply_patch', {}, patch)).subject).toBe('a.ts and 1 more')
    expect(describeToolCall(call('apply_patch', { input: patch })).subject).toBe('a.ts and 1 more')
  })

  test('reads input that is only in the text, and keeps text that is no JSON', () => {
    expect(describeToolCall(call('exec_command', undefined, '{"cmd":"ls"}')).subject).toBe('ls')
    expect(describeToolCall(call('Bash', undefined, 'ls')).subject).toBe('ls')
    expect(describeToolCall(call('Bash', undefined, '{"cmd":"l')).subject).toBe('')
  })
})

describe('toolOutcome', () => {
  const outcome = (text: string, data = {}) => toolOutcome([event(1, { text, data })])

  test('removes what agents write around the output', () => {
    const codex = 'Chunk ID: a1\nWall time: 0.6 seconds\nProcess exited with code 1\nOutput:\nno\n'
    expect(outcome(codex, { exitCode: 1 })).toEqual({ isError: true, exitCode: 1, output: 'no' })
    expect(outcome('Exit code 2\nfailed', { isError: true })).toEqual({
      isError: true,
      exitCode: 2,
      output: 'failed',
    })
    expect(outcome('<tool_use_error>Not read yet</tool_use_error>').output).toBe('Not read yet')
  })

  test('is no error without a sign of one', () => {
    expect(outcome('Exit codes are numbers')).toEqual({
      isError: false,
      exitCode: null,
      output: 'Exit codes are numbers',
    })
    expect(toolOutcome([])).toEqual({ isError: false, exitCode: null, output: '' })
  })
})
