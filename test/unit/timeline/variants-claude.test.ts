import { describe } from 'vitest'
import {
  answers,
  at,
  changes,
  event,
  exits,
  item,
  line,
  lines,
  meta,
  prompts,
  title,
  variant,
} from './variant.ts'

describe('Claude Code prompts', () => {
  variant(
    'reminder first, in a block, then image and text',
    lines(
      line('user', [
        { type: 'text', text: '<system-reminder>x</system-reminder>' },
        { type: 'image', source: { type: 'base64', data: 'AAAA' } },
        { type: 'text', text: 'What is this?' },
      ]),
    ),
    (log) => [prompts(log), title(log)],
    [['[image]\nWhat is this?'], 'What is this?'],
  )
  variant(
    'unknown tag first',
    lines(line('user', '<brand_new>x</brand_new>'), line('user', 'Go')),
    (log) => [prompts(log), title(log)],
    [['Go'], 'Go'],
  )
  variant(
    'reminder in the middle',
    lines(line('user', 'Fix\n<system-reminder>x</system-reminder>\nit')),
    prompts,
    ['Fix\n\nit'],
  )
  variant(
    'task notification by origin',
    lines(
      line('user', 'Go'),
      line('user', 'Background task done', { origin: { kind: 'task-notification' } }),
    ),
    prompts,
    ['Go'],
  )
  variant(
    'queued with origin human and mode prompt, blocks and image',
    lines(line('user', 'Go'), {
      type: 'attachment',
      sessionId: 's1',
      uuid: 'q',
      parentUuid: null,
      timestamp: at(3),
      attachment: {
        type: 'queued_command',
        prompt: [
          { type: 'text', text: 'also this' },
          { type: 'image', source: {} },
        ],
        commandMode: 'prompt',
      },
      origin: { kind: 'human' },
    }),
    prompts,
    ['Go', 'also this\n[image]'],
  )
  variant(
    'queued origin inside of attachment',
    lines(line('user', 'Go'), {
      type: 'attachment',
      sessionId: 's1',
      uuid: 'q',
      attachment: { type: 'queued_command', prompt: 'also', origin: { kind: 'human' } },
    }),
    prompts,
    ['Go', 'also'],
  )
  variant(
    'queued in another field name',
    lines(line('user', 'Go'), {
      type: 'attachment',
      sessionId: 's1',
      uuid: 'q',
      attachment: { type: 'queued_command', content: 'also' },
      origin: { kind: 'human' },
    }),
    prompts,
    ['Go', 'also'],
  )
  variant(
    'queued with a reminder first',
    lines(line('user', 'Go'), {
      type: 'attachment',
      sessionId: 's1',
      uuid: 'q',
      attachment: { type: 'queued_command', prompt: '<system-reminder>x</system-reminder>also' },
    }),
    prompts,
    ['Go', 'also'],
  )
  variant(
    'queued notification of a task without origin',
    lines(line('user', 'Go'), {
      type: 'attachment',
      sessionId: 's1',
      uuid: 'q',
      attachment: {
        type: 'queued_command',
        prompt: '<task-notification>x</task-notification>',
        commandMode: 'task-notification',
      },
    }),
    prompts,
    ['Go'],
  )
  variant(
    'queue: enqueue, dequeue, user',
    lines(
      {
        type: 'queue-operation',
        operation: 'enqueue',
        content: 'Go',
        sessionId: 's1',
        timestamp: at(0),
      },
      { type: 'queue-operation', operation: 'dequeue', sessionId: 's1', timestamp: at(0) },
      line('user', [{ type: 'text', text: 'Go' }]),
    ),
    (log) => [prompts(log), title(log)],
    [['Go'], 'Go'],
  )
  variant(
    'queue: same text twice',
    lines(
      line('user', 'Start'),
      { type: 'queue-operation', operation: 'enqueue', content: 'continue', sessionId: 's1' },
      { type: 'queue-operation', operation: 'enqueue', content: 'continue', sessionId: 's1' },
      line('user', 'continue'),
      line('user', 'continue'),
    ),
    prompts,
    ['Start', 'continue', 'continue'],
  )
  variant(
    'queue: only in the queue twice',
    lines(
      line('user', 'Start'),
      { type: 'queue-operation', operation: 'enqueue', content: 'continue', sessionId: 's1' },
      { type: 'queue-operation', operation: 'enqueue', content: 'continue', sessionId: 's1' },
    ),
    prompts,
    ['Start', 'continue', 'continue'],
  )
  variant(
    'queue: combined into one user line',
    lines(
      line('user', 'Start'),
      { type: 'queue-operation', operation: 'enqueue', content: 'one', sessionId: 's1' },
      { type: 'queue-operation', operation: 'enqueue', content: 'two', sessionId: 's1' },
      line('user', 'one\ntwo'),
    ),
    prompts,
    ['Start', 'one\ntwo'],
  )
  variant(
    'command with message first and args',
    lines(
      line(
        'user',
        '<command-message>fix is running…</command-message>\n<command-name>fix</command-name>\n<command-args>the login</command-args>',
      ),
    ),
    (log) => [prompts(log), title(log)],
    [['/fix the login'], '/fix the login'],
  )
  variant(
    'command of a plugin as title only if nothing else',
    lines(
      line('user', '<command-name>/my-plugin:start</command-name><command-args></command-args>'),
      line('user', 'Fix the login'),
    ),
    title,
    'Fix the login',
  )
  variant(
    'local command then prompt',
    lines(
      line(
        'user',
        '<command-name>/clear</command-name>\n<command-message>clear</command-message>\n<command-args></command-args>',
      ),
      line('user', '<local-command-stdout></local-command-stdout>'),
      line('user', 'Fix it'),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'sub-agent first with several lines',
    lines(
      line('user', 'Warmup', { isSidechain: true, agentId: 'a' }),
      line('assistant', [{ type: 'text', text: 'ready' }], { isSidechain: true, agentId: 'a' }),
      line('user', 'Fix it'),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'document block',
    lines(
      line('user', [
        { type: 'document', source: { type: 'base64', data: 'AAA' }, title: 'a.pdf' },
        { type: 'text', text: 'Sum up' },
      ]),
    ),
    (log) => [prompts(log).join('|'), title(log)],
    /document.*Sum up,Sum up/s,
  )
  variant(
    'image only then text prompt',
    lines(
      line('user', [{ type: 'image', source: { type: 'url', url: 'x' } }]),
      line('user', 'Fix it'),
    ),
    title,
    'Fix it',
  )
  variant(
    'no response requested without model',
    lines(
      line('user', 'Go'),
      line('assistant', [{ type: 'text', text: 'No response requested.' }]),
    ),
    answers,
    [],
  )
  variant(
    'API error without flag',
    lines(
      line('user', 'Go'),
      line('assistant', [{ type: 'text', text: 'API Error: 529 {"type":"error"}' }]),
    ),
    answers,
    [],
  )
  variant(
    'API error: connection',
    lines(
      line('user', 'Go'),
      line('assistant', [{ type: 'text', text: 'API Error: Connection error.' }]),
    ),
    answers,
    [],
  )
  variant(
    'real answer on API errors stays',
    lines(
      line('user', 'Go'),
      line('assistant', [{ type: 'text', text: 'API errors are handled in a.ts' }]),
    ),
    answers,
    ['API errors are handled in a.ts'],
  )
  variant(
    'limit reached synthetic is a notice',
    lines(line('user', 'Go'), {
      ...line('assistant', ''),
      message: {
        role: 'assistant',
        model: '<synthetic>',
        content: [{ type: 'text', text: 'Claude usage limit reached.' }],
      },
    }),
    (log) => [log.events[1]?.kind, log.events[1]?.role],
    ['system', 'system'],
  )
  variant(
    'interrupted for tool use',
    lines(
      line('user', 'Go'),
      line('user', [{ type: 'text', text: '[Request interrupted by user for tool use]' }]),
    ),
    prompts,
    ['Go'],
  )
})

describe('Claude Code branches', () => {
  const said = (
    type: string,
    content: unknown,
    uuid: string,
    parentUuid: string | null,
    more = {},
  ) => ({
    sessionId: 's1',
    type,
    uuid,
    parentUuid,
    message: { role: type, content },
    ...more,
  })
  variant(
    'edited first prompt',
    lines(
      said('user', 'one', 'u1', null),
      said('assistant', 'a', 'a1', 'u1'),
      said('user', 'one better', 'u2', null),
      said('assistant', 'b', 'a2', 'u2'),
    ),
    prompts,
    ['one better'],
  )
  variant(
    'three tries',
    lines(
      said('user', 'one', 'u1', null),
      said('assistant', 'a', 'a1', 'u1'),
      said('user', 'x', 'u2', 'a1'),
      said('user', 'y', 'u3', 'a1'),
      said('user', 'z', 'u4', 'a1'),
    ),
    prompts,
    ['one', 'z'],
  )
  variant(
    'branch goes back to an older one',
    lines(
      said('user', 'one', 'u1', null),
      said('assistant', 'a', 'a1', 'u1'),
      said('user', 'x', 'u2', 'a1'),
      said('assistant', 'ax', 'a2', 'u2'),
      said('user', 'y', 'u3', 'a1'),
      said('user', 'x again', 'u4', 'a2'),
    ),
    prompts,
    ['one', 'x', 'x again'],
  )
  variant(
    'copies in another session',
    lines(said('user', 'one', 'u1', null), said('user', 'one', 'u1', null, { sessionId: 's2' })),
    prompts,
    ['one'],
  )
})

describe('Claude Code changes', () => {
  const use = (id: string, input: object, name = 'Edit') => ({ type: 'tool_use', id, name, input })
  const result = (id: string, more = {}) => ({
    type: 'tool_result',
    tool_use_id: id,
    content: 'ok',
    ...more,
  })
  const hunk = { oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: ['-a', '+b'] }
  variant(
    'two edits of one file on a line',
    lines(
      line('assistant', [
        use('1', { file_path: '/a', old_string: 'x', new_string: 'y' }),
        use('2', { file_path: '/a', old_string: 'a', new_string: 'b' }),
      ]),
      line('user', [result('1'), result('2')], {
        toolUseResult: { filePath: '/a', oldString: 'a', newString: 'b', structuredPatch: [hunk] },
      }),
    ),
    changes,
    [['/a', '2', 1, 1]],
  )
  variant(
    'first failed',
    lines(
      line('assistant', [use('1', { file_path: '/a' }), use('2', { file_path: '/a' })]),
      line('user', [result('1', { is_error: true }), result('2')], {
        toolUseResult: { filePath: '/a', structuredPatch: [hunk] },
      }),
    ),
    changes,
    [['/a', '2', 1, 1]],
  )
  variant(
    'read and edit',
    lines(
      line('assistant', [
        use('1', { file_path: '/a' }, 'Read'),
        use('2', { file_path: '/a', new_string: 'b', old_string: 'a' }),
      ]),
      line('user', [result('1'), result('2')], {
        toolUseResult: { filePath: '/a', newString: 'b', structuredPatch: [hunk] },
      }),
    ),
    changes,
    [['/a', '2', 1, 1]],
  )
  variant(
    'read of a text file is no change',
    lines(
      line('assistant', [use('1', { file_path: '/a' }, 'Read')]),
      line('user', [result('1')], {
        toolUseResult: { type: 'text', file: { filePath: '/a', content: 'x' } },
      }),
    ),
    changes,
    [],
  )
  variant(
    'Claude exit code',
    lines(
      line('assistant', [use('1', { command: 'x' }, 'Bash')]),
      line('user', [result('1', { is_error: true, content: 'Exit code 127\nnot found' })]),
    ),
    exits,
    [[127, true]],
  )
})

describe('usage', () => {
  const answer = (id: string, usage: object, more = {}) => ({
    ...line('assistant', ''),
    message: { id, role: 'assistant', model: 'm', content: [{ type: 'text', text: 'x' }], usage },
    ...more,
  })
  variant(
    'partial last',
    lines(
      line('user', 'Go'),
      answer('m1', { input_tokens: 1, output_tokens: 90 }),
      answer('m1', { input_tokens: 1, output_tokens: 3 }),
    ),
    (log) => log.summary.usage?.outputTokens,
    90,
  )
  variant(
    'copy counts once',
    lines(
      line('user', 'Go'),
      answer('m1', { input_tokens: 1, output_tokens: 9 }, { uuid: 'same' }),
      answer('m1', { input_tokens: 1, output_tokens: 9 }, { uuid: 'same' }),
    ),
    (log) => log.summary.usage?.outputTokens,
    9,
  )
  variant(
    'codex total and last',
    lines(
      meta(),
      event('token_count', {
        info: {
          total_token_usage: { input_tokens: 10, output_tokens: 5 },
          last_token_usage: { input_tokens: 10, output_tokens: 5 },
        },
      }),
      event('token_count', { info: null }),
    ),
    (log) => log.summary.usage?.outputTokens,
    5,
  )
  variant(
    'gemini answer with calls only',
    lines(
      { sessionId: 'g', projectHash: 'p', startTime: at(0) },
      {
        id: 'm',
        type: 'gemini',
        content: '',
        timestamp: at(1),
        tokens: { input: 1, output: 7 },
        toolCalls: [{ id: 'c', name: 'x', args: {}, status: 'success', result: [] }],
      },
    ),
    (log) => log.events.map(({ data }) => data.usage),
    [undefined, { input: 1, output: 7 }, undefined],
  )
})

describe('blank rows', () => {
  variant(
    'zero width and nbsp',
    lines(
      meta(),
      item({
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: '\u200b\n' }],
      }),
    ),
    (log) => log.events[1]?.fold,
    'blank',
  )
  variant(
    'reasoning with empty summary parts',
    lines(
      meta(),
      item({
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: '' }],
        content: null,
        encrypted_content: 'x',
      }),
    ),
    (log) => log.events[1]?.fold,
    'blank',
  )
  variant(
    'redacted thinking',
    lines(line('user', 'Go'), line('assistant', [{ type: 'redacted_thinking', data: 'xx' }])),
    (log) => [log.events[1]?.kind, log.events[1]?.fold],
    ['reasoning', 'blank'],
  )
  variant(
    'tool reference result',
    lines(
      line('user', 'Go'),
      line('user', [
        {
          type: 'tool_result',
          tool_use_id: 't',
          content: [{ type: 'tool_reference', tool_name: 'x' }],
        },
      ]),
    ),
    (log) => log.events[1]?.fold,
    'blank',
  )
  variant(
    'gemini blank answer',
    lines(
      { sessionId: 'g', projectHash: 'p', startTime: at(0) },
      { id: 'm', type: 'gemini', content: '\n\n', timestamp: at(1) },
    ),
    (log) => log.events[1]?.fold,
    'blank',
  )
})
