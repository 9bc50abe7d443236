import { describe } from 'vitest'
import {
  at,
  changes,
  event,
  exits,
  item,
  lines,
  meta,
  pairs,
  prompts,
  results,
  title,
  typed,
  user,
  variant,
} from './variant.ts'

describe('Codex context', () => {
  variant(
    'two unknown elements in one item',
    lines(
      meta(),
      user('<brand_a>x</brand_a>\n\n<brand_b k="1">y</brand_b>'),
      user('Fix it'),
      typed('Fix it'),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'unknown self-closing',
    lines(meta(), user('<workspace_root path="/srv"/>'), user('Fix it'), typed('Fix it')),
    prompts,
    ['Fix it'],
  )
  variant(
    'unknown element in capitals',
    lines(meta(), user('<WORKSPACE>\nx\n</WORKSPACE>'), user('Fix it'), typed('Fix it')),
    prompts,
    ['Fix it'],
  )
  variant(
    'unknown nested same name',
    lines(meta(), user('<ctx>a<ctx>b</ctx>c</ctx>'), user('Fix it'), typed('Fix it')),
    prompts,
    ['Fix it'],
  )
  variant(
    'blocks: AGENTS, env, prompt in one item',
    lines(
      meta(),
      user(
        '# AGENTS.md instructions for /srv\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>',
        '<environment_context>x</environment_context>',
        'Fix it',
      ),
      typed('Fix it'),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'IDE prompt, item whole and event request only',
    lines(
      meta(),
      user(
        '# Context from my IDE setup:\n\n## Open tabs:\n- a.ts\n\n## My request for Codex:\nFix it\n',
      ),
      typed('Fix it\n'),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'IDE prompt with env before',
    lines(
      meta(),
      user(
        '<environment_context>x</environment_context>',
        '# Context from my IDE setup:\n\n## My request for Codex:\nFix it',
      ),
      typed('# Context from my IDE setup:\n\n## My request for Codex:\nFix it'),
    ),
    prompts,
    ['Fix it'],
  )
  variant(
    'IDE prompt other heading level',
    lines(
      meta(),
      user(
        '# Context from my IDE setup:\n\n## Active selection:\nx\n\n### My request for Codex:\nFix it',
      ),
      typed('Fix it'),
    ),
    prompts,
    ['Fix it'],
  )
  variant(
    'files mentioned by the user',
    lines(
      meta(),
      user(
        '\n# Files mentioned by the user:\n\n## a.png: /tmp/a.png\n\n## My request for Codex:\nFix it\n',
      ),
      typed(
        '\n# Files mentioned by the user:\n\n## a.png: /tmp/a.png\n\n## My request for Codex:\nFix it\n',
      ),
    ),
    (log) => [prompts(log), title(log)],
    [['Fix it'], 'Fix it'],
  )
  variant(
    'unknown after the first prompt with no twin',
    lines(
      meta(),
      user('Begin'),
      typed('Begin'),
      user('<memory_update>x</memory_update>'),
      user('Next'),
      typed('Next'),
    ),
    prompts,
    ['Begin', 'Next'],
  )
  variant(
    'typed element with twin is a prompt',
    lines(meta(), user('<b>bold</b>'), typed('<b>bold</b>')),
    prompts,
    ['<b>bold</b>'],
  )
  variant(
    'reminder within prompt',
    lines(meta(), user('Fix <system-reminder>x</system-reminder>it')),
    prompts,
    ['Fix it'],
  )
  variant(
    'tag with upper and lower case',
    lines(
      meta(),
      user('<Environment_Context>x</Environment_Context>'),
      user('Begin'),
      user('Next'),
    ),
    prompts,
    ['Begin', 'Next'],
  )
  variant(
    'user_message event of kind environment_context',
    lines(
      meta(),
      event('user_message', {
        message: '<environment_context>x</environment_context>',
        kind: 'environment_context',
      }),
      typed('Fix it'),
    ),
    prompts,
    ['Fix it'],
  )
  variant('skill list', lines(meta(), user('<skills>\n- a\n</skills>'), user('Fix it')), prompts, [
    'Fix it',
  ])
  variant(
    'sub-agent header with parent_thread_id',
    lines(meta({ source: 'subagent', parent_thread_id: 'p' }), user('Look'), typed('Look')),
    prompts,
    [],
  )
  variant(
    'sub-agent source review',
    lines(meta({ source: { subagent: 'review' } }), user('Look')),
    prompts,
    [],
  )
})

describe('Codex fork/rollback', () => {
  variant(
    'replay marked only by forked_from_id and old times',
    lines(
      meta({ forked_from_id: 'parent' }, 100),
      typed('Old', 1),
      event('agent_message', { message: 'Old answer' }, 2),
      typed('New', 101),
    ),
    (log) => [prompts(log), title(log)],
    [['New'], 'New'],
  )
  variant(
    'fork of a fork',
    lines(
      meta({ id: 'c', forked_from_id: 'b' }, 100),
      meta({ id: 'b', forked_from_id: 'a' }, 50),
      meta({ id: 'a' }, 1),
      typed('Oldest', 2),
      typed('Older', 51),
      typed('New', 101),
    ),
    prompts,
    ['New'],
  )
  variant(
    'rollback of more turns than there are',
    lines(
      meta(),
      typed('one'),
      typed('two'),
      event('thread_rolled_back', { num_turns: 9 }),
      typed('three'),
    ),
    prompts,
    ['three'],
  )
  variant(
    'rollback of no turns',
    lines(meta(), typed('one'), event('thread_rolled_back', { num_turns: 0 }), typed('two')),
    prompts,
    ['one', 'two'],
  )
  variant(
    'rollback with both copies',
    lines(
      meta(),
      user('one'),
      typed('one'),
      user('two'),
      typed('two'),
      event('thread_rolled_back', { num_turns: 1 }),
      user('three'),
      typed('three'),
    ),
    prompts,
    ['one', 'three'],
  )
  variant(
    'same prompt three times in a row',
    lines(meta(), user('yes'), typed('yes'), user('yes'), typed('yes'), user('yes'), typed('yes')),
    prompts,
    ['yes', 'yes', 'yes'],
  )
})

describe('cut records', () => {
  const whole = {
    timestamp: at(2),
    type: 'event_msg',
    payload: { type: 'user_message', message: 'after' },
  }
  const record = JSON.stringify(
    item({
      type: 'message',
      role: 'user',
      content: [{ type: 'input_text', text: 'lost lost lost' }],
    }),
  )
  for (const n of [10, 40, 70, 100, 130, record.length - 1, record.length - 3, record.length - 5])
    variant(
      `cut at ${n}`,
      lines(meta(), record.slice(0, n) + JSON.stringify(whole), typed('last')),
      (log) => prompts(log).slice(-2),
      ['after', 'last'],
    )
  variant(
    'whole with another first key',
    lines(
      meta(),
      record.slice(0, 90) +
        JSON.stringify({ type: 'event_msg', timestamp: at(2), payload: whole.payload }),
      typed('last'),
    ),
    prompts,
    ['after', 'last'],
  )
  variant(
    'two cut then whole',
    lines(meta(), record.slice(0, 90) + record.slice(0, 60) + JSON.stringify(whole), typed('last')),
    prompts,
    ['after', 'last'],
  )
  variant(
    'words before a record',
    lines(meta(), `WARN something ${JSON.stringify(whole)}`, typed('last')),
    prompts,
    ['after', 'last'],
  )
  variant(
    'cut, whole, cut',
    lines(meta(), record.slice(0, 90) + JSON.stringify(whole) + record.slice(0, 50), typed('last')),
    prompts,
    ['after', 'last'],
  )
  variant(
    'Claude: cut then whole that starts otherwise',
    lines(
      { type: 'user', sessionId: 's', uuid: 'u0', message: { role: 'user', content: 'first' } },
      '{"parentUuid":"u0","sessionId":"s","type":"user","message":{"role":"user","content":[{"type":"text","text":"lo' +
        JSON.stringify({
          type: 'user',
          sessionId: 's',
          uuid: 'u1',
          parentUuid: 'u0',
          message: { role: 'user', content: 'after' },
        }),
    ),
    prompts,
    ['first', 'after'],
  )
  variant(
    'unknown envelope without payload keeps time',
    lines(meta(), { timestamp: at(9), type: 'brand_new', value: 1 }),
    (log) => log.events[1]?.occurredAt,
    new Date(at(9)),
  )
  variant(
    'unknown envelope, other time name',
    lines({ role: 'user', content: 'x', time: at(1) }, { kind: 'brand', created_at: at(9) }),
    (log) => log.events[1]?.occurredAt,
    new Date(at(9)),
  )
})

describe('Codex pairs', () => {
  const searchEnd = (id: string, q = 'electric') =>
    event('web_search_end', { call_id: id, query: q, action: { type: 'search', query: q } })
  const search = (m = {}, q = 'electric') =>
    item({
      type: 'web_search_call',
      status: 'completed',
      action: { type: 'search', query: q },
      ...m,
    })
  variant(
    '9 ends then 9 calls without ids',
    lines(
      meta(),
      ...Array.from({ length: 9 }, (_, i) => searchEnd(`w${i}`, `q${i}`)),
      ...Array.from({ length: 9 }, (_, i) => search({}, `q${i}`)),
    ),
    pairs,
    [9, 9, 9],
  )
  variant(
    'ends and calls in another order',
    lines(meta(), searchEnd('a', 'qa'), searchEnd('b', 'qb'), search({}, 'qb'), search({}, 'qa')),
    (log) =>
      log.events
        .filter((e) => e.kind === 'tool_call')
        .map((e) => [JSON.parse(e.text ?? '').query, e.callId]),
    [
      ['qa', 'a'],
      ['qb', 'b'],
    ],
  )
  variant(
    'end without id, call with id',
    lines(meta(), event('web_search_end', { query: 'electric' }), search({ id: 'ws1' })),
    pairs,
    [1, 1, 1],
  )
  variant(
    'both without id',
    lines(meta(), event('web_search_end', { query: 'electric' }), search()),
    pairs,
    [1, 1, 1],
  )
  variant(
    'call, end after records',
    lines(
      meta(),
      search(),
      ...Array.from({ length: 12 }, (_, i) => event('token_count', { info: null }, i)),
      searchEnd('w1'),
    ),
    pairs,
    [1, 1, 1],
  )
  variant(
    'open page',
    lines(
      meta(),
      event('web_search_end', {
        call_id: 'w',
        query: '',
        action: { type: 'open_page', url: 'https://a.b' },
      }),
      search({ action: { type: 'open_page', url: 'https://a.b' } }),
    ),
    pairs,
    [1, 1, 1],
  )
  variant(
    'local_shell_call with id',
    lines(
      meta(),
      item({
        type: 'local_shell_call',
        id: 'x',
        call_id: 'c',
        action: { type: 'exec', command: ['ls'] },
      }),
      item({
        type: 'function_call_output',
        call_id: 'c',
        output: '{"output":"a","metadata":{"exit_code":2}}',
      }),
    ),
    (log) => [pairs(log), exits(log)],
    [[1, 1, 1], [[2, false]]],
  )
  variant(
    'exit code in the third line',
    lines(
      meta(),
      item({
        type: 'function_call',
        name: 'exec_command',
        call_id: 'c',
        arguments: '{"cmd":"ls"}',
      }),
      item({
        type: 'function_call_output',
        call_id: 'c',
        output:
          'Chunk ID: x\nWall time: 0.1 seconds\nProcess exited with code 3\nOriginal token count: 1\nOutput:\nx',
      }),
    ),
    exits,
    [[3, false]],
  )
  variant(
    'output as blocks',
    lines(
      meta(),
      item({ type: 'function_call', name: 'f', call_id: 'c', arguments: '{}' }),
      item({
        type: 'function_call_output',
        call_id: 'c',
        output: [{ type: 'input_text', text: 'Exit code: 1\nWall time: 0\nOutput:\nno' }],
      }),
    ),
    (log) => [exits(log), results(log)],
    [[[1, false]], [['Exit code: 1\nWall time: 0\nOutput:\nno', true]]],
  )
  const patch = '*** Begin Patch\n*** Update File: a.ts\n@@\n-old\n+new\n+more\n*** End Patch'
  variant(
    'patch by heredoc',
    lines(
      meta(),
      item({
        type: 'function_call',
        name: 'exec_command',
        call_id: 'c',
        arguments: JSON.stringify({ cmd: `apply_patch <<'EOF'\n${patch}\nEOF` }),
      }),
      item({
        type: 'function_call_output',
        call_id: 'c',
        output:
          'Process exited with code 0\nOutput:\nSuccess. Updated the following files:\nM a.ts',
      }),
    ),
    changes,
    [['a.ts', 'c', 2, 1]],
  )
  variant(
    'patch by shell array',
    lines(
      meta(),
      item({
        type: 'function_call',
        name: 'shell',
        call_id: 'c',
        arguments: JSON.stringify({ command: ['apply_patch', patch] }),
      }),
      item({
        type: 'function_call_output',
        call_id: 'c',
        output: JSON.stringify({
          output: 'Success. Updated the following files:\nM a.ts',
          metadata: { exit_code: 0 },
        }),
      }),
    ),
    changes,
    [['a.ts', 'c', 2, 1]],
  )
  variant(
    'patch failed with text only',
    lines(
      meta(),
      item({ type: 'custom_tool_call', name: 'apply_patch', call_id: 'c', input: patch }),
      item({
        type: 'custom_tool_call_output',
        call_id: 'c',
        output: 'apply_patch verification failed: Failed to find expected lines in a.ts',
      }),
    ),
    changes,
    [],
  )
  variant(
    'patch end declined',
    lines(
      meta(),
      item({ type: 'custom_tool_call', name: 'apply_patch', call_id: 'c', input: patch }),
      event('patch_apply_end', { call_id: 'c', status: 'declined', changes: { 'a.ts': {} } }),
    ),
    changes,
    [],
  )
  variant(
    'patch to two files',
    lines(
      meta(),
      item({
        type: 'custom_tool_call',
        name: 'apply_patch',
        call_id: 'c',
        input: '*** Begin Patch\n*** Add File: b.ts\n+x\n*** Delete File: c.ts\n*** End Patch',
      }),
      item({
        type: 'custom_tool_call_output',
        call_id: 'c',
        output: '{"output":"Success.","metadata":{"exit_code":0}}',
      }),
    ),
    changes,
    [['2 files', 'c', 1, 0]],
  )
})

describe('titles', () => {
  for (const [texts, right] of [
    [['[Image #1] What is wrong here?'], 'What is wrong here?'],
    [['[Image #1]', 'Fix the login'], 'Fix the login'],
    [['lgtm', 'Fix the login'], 'Fix the login'],
    [['yes please', 'Fix the login'], 'Fix the login'],
    [['👍', 'Fix the login'], 'Fix the login'],
    [['1', 'Fix the login'], 'Fix the login'],
    [['...', 'Fix the login'], 'Fix the login'],
    [['Please implement this plan:\n\n# Plan: Add a login\n\nx'], 'Plan: Add a login'],
    [['Implement the following plan\n\n# Add a login'], 'Add a login'],
    [['/model gpt-6', 'Fix the login'], 'Fix the login'],
    [['go for it', 'Fix the login'], 'Fix the login'],
    [['Yes, continue.', 'Fix the login'], 'Fix the login'],
    [['好的', 'ログインを直して'], 'ログインを直して'],
    [['[Pasted text #1 +20 lines] Explain this'], 'Explain this'],
    [['![shot](a.png) Explain this'], 'Explain this'],
    [['> quoted\n\nWhat does this mean?'], /quoted|What does/],
    [['**Fix** the login'], '**Fix** the login'],
    [['- [ ] Fix the login'], /Fix the login/],
    [['try again', 'Fix the login'], 'Fix the login'],
    [['yes', 'no'], 'yes'],
    [['<image>', 'Fix'], 'Fix'],
    [['#', 'Fix the login'], 'Fix the login'],
  ] as [string[], string | RegExp][])
    variant(JSON.stringify(texts), lines(meta(), ...texts.map((t) => typed(t))), title, right)
  variant(
    'custom-title empty',
    lines(
      { type: 'user', sessionId: 's', uuid: 'u', message: { role: 'user', content: 'Fix it' } },
      { type: 'ai-title', aiTitle: 'Model title', sessionId: 's' },
      { type: 'custom-title', customTitle: '', sessionId: 's' },
    ),
    title,
    'Model title',
  )
  variant(
    'codex name is blank',
    lines(meta(), typed('Fix it'), event('thread_name_updated', { thread_name: '  ' })),
    title,
    'Fix it',
  )
  variant(
    'opencode default title',
    JSON.stringify({
      info: { id: 'ses_1', title: 'New session - 2026-09-01T10:00:00.000Z', directory: '/w' },
      messages: [
        {
          info: { id: 'm', role: 'user', time: { created: 1788256800000 } },
          parts: [{ type: 'text', text: 'Fix the login' }],
        },
      ],
    }),
    title,
    'Fix the login',
  )
})

describe('repo labels', () => {
  for (const [cwd, label] of [
    ['/srv/app/.claude/worktrees/12', 'app'],
    ['/srv/app/.worktrees/feature/login', 'app'],
    ['/srv/app/.claude/worktrees/12/packages/web', 'app'],
    ['/srv/app__worktrees/42', 'app'],
    ['/home/ann/.codex/worktrees/3f2a/app', 'app'],
    ['/home/ann/.cursor/worktrees/app/x1c', 'app'],
    ['/home/ann/worktrees/app', 'app'],
    ['/home/ann/worktrees/42/app', 'app'],
    ['/srv/app.worktrees/fix', 'app'],
    ['C:\\work\\app\\.claude\\worktrees\\7', 'app'],
    ['/Users/ann/dev/app', 'app'],
    ['/home/ann/.codex/worktrees/3f2a/app/packages/x', 'app'],
    ['/srv/app/worktrees/12', 'app'],
  ] as const)
    variant(cwd, lines(meta({ cwd })), (log) => log.summary.repoLabel, label)
})
