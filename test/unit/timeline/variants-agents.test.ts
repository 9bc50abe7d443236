import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { LogError, refusalOf } from '../../../src/timeline/content.ts'
import { chunked, deriveLog } from './derive-log.ts'
import {
  answers,
  at,
  calls,
  exits,
  lines,
  meta,
  pairs,
  prompts,
  results,
  title,
  typed,
  variant,
} from './variant.ts'

describe('Gemini CLI', () => {
  const head = { sessionId: 'g', projectHash: 'p', startTime: at(0) }
  const message = (id: string, type: string, content: unknown, more = {}) => ({
    id,
    type,
    content,
    timestamp: at(1),
    ...more,
  })
  const call = (more: object) =>
    message('m2', 'gemini', '', { toolCalls: [{ id: 'c', name: 'x', args: {}, ...more }] })
  variant('status running is no error', lines(head, call({ status: 'running' })), results, [])
  variant(
    'unknown status with result is no error',
    lines(
      head,
      call({ status: 'completed', result: [{ functionResponse: { response: { output: 'a' } } }] }),
    ),
    (log) => [results(log), exits(log)],
    [[['a', true]], [[null, false]]],
  )
  variant(
    'MCP content',
    lines(
      head,
      call({
        status: 'success',
        result: [
          {
            functionResponse: {
              response: {
                content: [
                  { type: 'text', text: 'a' },
                  { type: 'text', text: 'b' },
                ],
              },
            },
          },
        ],
      }),
    ),
    results,
    [['a\nb', true]],
  )
  variant(
    'other response',
    lines(
      head,
      call({
        status: 'success',
        result: [{ functionResponse: { response: { temperature: 20 } } }],
      }),
    ),
    results,
    [['{"temperature":20}', true]],
  )
  variant(
    'exit code',
    lines(
      head,
      call({
        status: 'success',
        result: [
          {
            functionResponse: {
              response: { output: 'Command: x\nOutput: (empty)\nExit Code: 2\nSignal: (none)' },
            },
          },
        ],
      }),
    ),
    exits,
    [[2, false]],
  )
  variant(
    'referenced files',
    lines(
      head,
      message('m', 'user', [
        { text: 'Explain @a.ts' },
        { text: '\n--- Content from referenced files ---' },
        { text: '\nContent from @a.ts:\n' },
        { text: 'code' },
        { text: '\n--- End of content ---' },
      ]),
    ),
    prompts,
    ['Explain @a.ts'],
  )
  variant(
    'unknown context tag first',
    lines(head, message('m', 'user', [{ text: '<brand>x</brand>' }]), message('m1', 'user', 'Go')),
    (log) => [prompts(log), title(log)],
    [['Go'], 'Go'],
  )
  variant(
    'rewind twice',
    lines(
      head,
      message('1', 'user', 'a'),
      message('2', 'gemini', 'A'),
      message('3', 'user', 'b'),
      { $rewindTo: '3' },
      message('4', 'user', 'c'),
      { $rewindTo: '4' },
      message('5', 'user', 'd'),
    ),
    prompts,
    ['a', 'd'],
  )
  variant(
    'rewind to the start',
    lines(
      head,
      message('1', 'user', 'a'),
      message('2', 'gemini', 'A'),
      { $rewindTo: '1' },
      message('5', 'user', 'd'),
    ),
    prompts,
    ['d'],
  )
  variant(
    'rewind with text rewritten before',
    lines(
      head,
      message('1', 'user', 'a'),
      message('2', 'gemini', 'A'),
      message('3', 'user', 'b'),
      message('2', 'gemini', 'AA'),
      { $rewindTo: '3' },
      message('4', 'user', 'c'),
    ),
    (log) => [prompts(log), answers(log)],
    [['a', 'c'], ['AA']],
  )
  variant(
    'checkpoint twice',
    lines(
      head,
      { $set: { messages: [message('1', 'user', 'a')] } },
      { $set: { messages: [message('1', 'user', 'a'), message('2', 'gemini', 'A')] } },
    ),
    (log) => [prompts(log), answers(log)],
    [['a'], ['A']],
  )
  variant(
    'displayContent list',
    lines(head, message('1', 'user', 'long', { displayContent: [{ text: '/plan it' }] })),
    (log) => [prompts(log), title(log)],
    [['/plan it'], '/plan it'],
  )
})

describe('other agents', () => {
  variant(
    'codex exec: started only',
    lines(
      { type: 'thread.started', thread_id: 't' },
      {
        type: 'item.started',
        item: { id: 'i', type: 'command_execution', command: 'ls', status: 'in_progress' },
      },
    ),
    (log) => [calls(log), pairs(log)],
    [[['shell', 'i']], [1, 0, 0]],
  )
  variant(
    'codex exec: started and completed',
    lines(
      { type: 'thread.started', thread_id: 't' },
      {
        type: 'item.started',
        item: { id: 'i', type: 'command_execution', command: 'ls', status: 'in_progress' },
      },
      {
        type: 'item.completed',
        item: {
          id: 'i',
          type: 'command_execution',
          command: 'ls',
          aggregated_output: 'no',
          exit_code: 2,
          status: 'failed',
        },
      },
    ),
    (log) => [pairs(log), exits(log)],
    [[1, 1, 1], [[2, true]]],
  )
  variant(
    'codex exec: after lines of text',
    lines(
      'Reading prompt from stdin...',
      { type: 'thread.started', thread_id: 't' },
      { type: 'item.completed', item: { id: 'i', type: 'agent_message', text: 'Done' } },
    ),
    (log) => [log.summary.format, answers(log)],
    ['codex-exec', ['Done']],
  )
  variant(
    'codex exec: turn failed is an error',
    lines(
      { type: 'thread.started', thread_id: 't' },
      { type: 'turn.failed', error: { message: 'boom' } },
    ),
    (log) => [log.events[1]?.kind, log.events[1]?.text, log.events[1]?.data.isError],
    ['system', 'boom', true],
  )
  variant(
    'copilot: injected message',
    lines(
      {
        type: 'session.start',
        data: { sessionId: 'c', copilotVersion: '1', context: { cwd: '/w' } },
        timestamp: at(0),
      },
      {
        type: 'user.message',
        data: { content: '<skill-context name="x">y</skill-context>', source: 'skill-x' },
        timestamp: at(1),
      },
      { type: 'user.message', data: { content: 'Fix it' }, timestamp: at(1) },
    ),
    prompts,
    ['Fix it'],
  )
  variant(
    'copilot: error is a notice',
    lines(
      { type: 'session.start', data: { sessionId: 'c', copilotVersion: '1' }, timestamp: at(0) },
      { type: 'session.error', data: { message: 'boom' }, timestamp: at(1) },
    ),
    (log) => [log.events[1]?.kind, log.events[1]?.text],
    ['system', 'boom'],
  )
  variant(
    'copilot: exit code',
    lines(
      { type: 'session.start', data: { sessionId: 'c', copilotVersion: '1' }, timestamp: at(0) },
      {
        type: 'tool.execution_start',
        data: { toolCallId: 't', toolName: 'bash', arguments: { command: 'x' } },
      },
      {
        type: 'tool.execution_complete',
        data: {
          toolCallId: 't',
          success: true,
          result: { content: 'no\n<exited with exit code 1>' },
        },
      },
    ),
    exits,
    [[1, false]],
  )
  variant(
    'opencode: messages before info',
    JSON.stringify({
      messages: [
        {
          info: { id: 'm', role: 'user', sessionID: 'ses_1', time: { created: 1788256800000 } },
          parts: [{ type: 'text', text: 'Fix it' }],
        },
      ],
      info: { id: 'ses_1', title: 'Greeting', directory: '/w' },
    }),
    (log) => [log.summary.format, prompts(log), title(log)],
    ['opencode', ['Fix it'], 'Greeting'],
  )
  variant(
    'opencode: exit code',
    JSON.stringify({
      info: { id: 'ses_1', title: 'x' },
      messages: [
        {
          info: { id: 'm', role: 'assistant' },
          parts: [
            {
              type: 'tool',
              callID: 'c',
              tool: 'bash',
              state: {
                status: 'completed',
                input: { command: 'x' },
                output: 'no',
                metadata: { exit: 3 },
              },
            },
          ],
        },
      ],
    }),
    exits,
    [[3, false]],
  )
  variant(
    'cursor: unknown tag before the query',
    lines(
      {
        role: 'user',
        message: {
          content: [
            { type: 'text', text: '<brand_new>x</brand_new>\n<user_query>\nFix it\n</user_query>' },
          ],
        },
      },
      { role: 'assistant', message: { content: [{ type: 'text', text: 'ok' }] } },
    ),
    prompts,
    ['Fix it'],
  )
  variant(
    'cursor: unknown tag alone first',
    lines(
      { role: 'user', message: { content: [{ type: 'text', text: '<brand_new>x</brand_new>' }] } },
      {
        role: 'user',
        message: { content: [{ type: 'text', text: '<user_query>Fix it</user_query>' }] },
      },
    ),
    prompts,
    ['Fix it'],
  )
  const conversation = [
    { role: 'user', created: 1788256800, content: [{ type: 'text', text: 'Fix it' }] },
    { role: 'assistant', created: 1788256801, content: [{ type: 'text', text: 'Done' }] },
  ]
  variant(
    'goose: export of one document',
    JSON.stringify({ id: 'x', working_dir: '/w', name: 'Fix login', conversation: conversation }),
    (log) => [log.summary.format, prompts(log), answers(log)],
    ['goose', ['Fix it'], ['Done']],
  )
  variant(
    'goose: export over lines',
    JSON.stringify(
      { id: 'x', working_dir: '/w', name: 'Fix login', conversation: conversation },
      null,
      2,
    ),
    (log) => [log.summary.format, prompts(log), answers(log)],
    ['goose', ['Fix it'], ['Done']],
  )
  variant(
    'pi: abandoned branch',
    lines(
      { type: 'session', id: 's', cwd: '/w', timestamp: at(0) },
      { type: 'message', id: '1', parentId: null, message: { role: 'user', content: 'one' } },
      { type: 'message', id: '2', parentId: '1', message: { role: 'user', content: 'two' } },
      { type: 'message', id: '3', parentId: '1', message: { role: 'user', content: 'three' } },
    ),
    prompts,
    ['one', 'three'],
  )
  variant(
    'pi: header with provider only',
    lines(
      { type: 'session', cwd: '/w', provider: 'x', modelId: 'm', timestamp: at(0) },
      { type: 'message', message: { role: 'user', content: 'one' } },
    ),
    (log) => log.summary.format,
    'pi',
  )
})

describe('unknown JSON', () => {
  variant(
    'ShareGPT document',
    JSON.stringify({
      id: 1,
      conversations: [
        { from: 'human', value: 'Fix it' },
        { from: 'gpt', value: 'Done' },
      ],
    }),
    (log) => [prompts(log), answers(log)],
    [['Fix it'], ['Done']],
  )
  variant(
    'history document over lines',
    JSON.stringify(
      {
        history: [
          { role: 'user', content: 'Fix it' },
          { role: 'assistant', content: 'Done' },
        ],
      },
      null,
      1,
    ),
    (log) => [prompts(log), answers(log)],
    [['Fix it'], ['Done']],
  )
  variant(
    'roles in capitals',
    lines({ role: 'USER', text: 'Fix it' }, { role: 'Assistant', text: 'Done' }),
    (log) => [prompts(log), answers(log)],
    [['Fix it'], ['Done']],
  )
  variant(
    'items of the Responses API',
    lines(
      {
        type: 'message',
        role: 'user',
        content: [{ type: 'input_text', text: 'Fix it' }],
        status: 'x',
      },
      { type: 'function_call', name: 'ls', call_id: 'c', arguments: '{"path":"/"}' },
      { type: 'function_call_output', call_id: 'c', output: 'a' },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }] },
    ),
    (log) => [calls(log), pairs(log)],
    [[['ls', 'c']], [1, 1, 1]],
  )
  variant(
    'blocks as lines',
    lines(
      { type: 'tool_use', id: 'c', name: 'ls', input: { path: '/' } },
      { type: 'tool_result', tool_use_id: 'c', content: 'a' },
    ),
    (log) => [calls(log), pairs(log)],
    [[['ls', 'c']], [1, 1, 1]],
  )
  variant(
    'fine-tuning lines',
    lines(
      {
        messages: [
          { role: 'user', content: 'one' },
          { role: 'assistant', content: 'A' },
        ],
      },
      { messages: [{ role: 'user', content: 'two' }] },
    ),
    prompts,
    ['one', 'two'],
  )
  variant(
    'nested deeper',
    lines({ event: { message: { role: 'user', content: 'Fix it' } }, meta: { time: 1788256800 } }),
    prompts,
    ['Fix it'],
  )
  variant(
    'microseconds',
    lines({ role: 'user', content: 'x', timestamp: 1788256800000000 }),
    (log) => log.events[0]?.occurredAt,
    new Date('2026-09-01T10:00:00Z'),
  )
  variant(
    'tool with name only',
    lines(
      { type: 'tool_call', name: 'ls', id: 'c', arguments: { a: 1 } },
      { type: 'tool_output', name: 'ls', tool_call_id: 'c', output: 'x' },
    ),
    (log) => [calls(log), pairs(log)],
    [[['ls', 'c']], [1, 1, 1]],
  )
  variant(
    'plain prompt and response',
    lines({ prompt: 'Fix it', response: 'Done', ts: 1788256800 }),
    (log) => JSON.stringify(log.events.map((e) => e.text)),
    /Fix it.*Done/,
  )
})

describe('content that is no log', () => {
  /** The reason of a refusal, or the format and the prompts. */
  const outcome = async (content: Buffer) => {
    const refusal = refusalOf(content)
    if (refusal !== undefined) return refusal
    try {
      const log = await deriveLog(chunked(content, 7))
      return `${log.summary.format}: ${prompts(log)}`
    } catch (error) {
      return error instanceof LogError ? error.message : error
    }
  }
  const refuse = (name: string, content: Buffer, right: RegExp) =>
    test(name, async () => expect(await outcome(content)).toMatch(right))

  const log = lines(meta(), typed('hello'))
  refuse('only line feeds', Buffer.from('\n\n\r\n  \n'), /empty/)
  refuse('only a mark', Buffer.from('\uFEFF'), /empty/)
  refuse('gzip of nothing', gzipSync(''), /empty/)
  refuse('zstd of blanks', zstdCompressSync('\n'), /empty/)
  refuse('gzip of an image', gzipSync(Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1')), /PNG/)
  refuse('gzip of gzip', gzipSync(gzipSync(log)), /^codex: hello$/)
  refuse(
    'two gzip members',
    Buffer.concat([gzipSync(`${lines(meta())}\n`), gzipSync(lines(typed('hello')))]),
    /^codex: hello$/,
  )
  refuse(
    'two zstd frames',
    Buffer.concat([
      zstdCompressSync(`${lines(meta())}\n`),
      zstdCompressSync(lines(typed('hello'))),
    ]),
    /^codex: hello$/,
  )
  refuse(
    'zstd skippable frame first',
    Buffer.concat([
      Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]),
      zstdCompressSync(log),
    ]),
    /^codex: hello$/,
  )
  refuse('gzip of UTF-16', gzipSync(Buffer.from(`\uFEFF${log}`, 'utf16le')), /^codex: hello$/)
  refuse('UTF-16 BE', Buffer.from(`\uFEFF${log}`, 'utf16le').swap16(), /^codex: hello$/)
  refuse(
    'UTF-32',
    Buffer.concat([
      Buffer.from([0xff, 0xfe, 0, 0]),
      Buffer.from([...log].flatMap((c) => [c.charCodeAt(0), 0, 0, 0])),
    ]),
    /UTF-32/,
  )
  refuse(
    'truncated zstd',
    zstdCompressSync(Buffer.from(log.repeat(500))).subarray(0, 60),
    /damaged|incomplete/,
  )
  refuse(
    'lz4',
    Buffer.from([4, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0, 0, 0x41, 0x42]),
    /LZ4|binary/,
  )
  refuse(
    'old Office',
    Buffer.concat([
      Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]),
      Buffer.alloc(600),
    ]),
    /not a session log/,
  )
  refuse('parquet', Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(200)]), /not a session log/)
  refuse('RTF', Buffer.from('{\\rtf1\\ansi hello}'), /not a session log/)
  refuse(
    'WAV',
    Buffer.concat([Buffer.from('RIFF\x24\x08\0\0WAVEfmt ', 'latin1'), Buffer.alloc(99)]),
    /not a session log/,
  )
})
