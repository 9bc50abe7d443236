import type { ContextRules } from '../context.ts'

/** Text that Claude Code injects in the user's name. */
export const CLAUDE_CONTEXT: ContextRules = {
  tags: [
    ...['ide_*', 'local-command-*', 'bash-input', 'bash-stdout', 'bash-stderr', 'command-*'],
    ...['system-reminder', 'system_*', 'system-*', 'teammate-message', '*-hook', '*_hook'],
    ...['user-memory-input', 'task-notification', 'new-diagnostics', 'fork-boilerplate'],
    ...['environment_context', 'session-*', 'persisted-output', 'tick', 'channel', 'mcp-*'],
  ],
  starts: [
    'Caveat:',
    'This session is being continued from a previous conversation',
    '[Image: source:',
    '[SYSTEM NOTIFICATION',
    'Read the output file to retrieve the result:',
  ],
}

/** Commands of the program itself: they don't start a turn of the conversation. */
export const LOCAL_COMMANDS: ReadonlySet<string> = new Set(
  [
    ...['add-dir', 'agents', 'clear', 'compact', 'config', 'context', 'cost', 'doctor', 'effort'],
    ...[
      'exit',
      'export',
      'fast',
      'help',
      'hooks',
      'ide',
      'login',
      'logout',
      'mcp',
      'memory',
      'model',
    ],
    ...['output-style', 'permissions', 'plugin', 'quit', 'rename', 'resume', 'rewind', 'sandbox'],
    ...['status', 'statusline', 'terminal-setup', 'theme', 'upgrade', 'usage', 'vim'],
  ].map((name) => `/${name}`),
)
