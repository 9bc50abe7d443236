import type { ContextRules } from '../context.ts'

/** Text that Codex injects in the user's name. */
export const CODEX_CONTEXT: ContextRules = {
  tags: [
    ...['environment_context', 'user_instructions', 'recommended_plugins', 'goal_context'],
    ...['codex_internal_context', 'user_shell_command', 'subagent_notification', 'hook_prompt'],
    ...[
      'external_*',
      'collaboration_mode',
      'skill',
      'turn_aborted',
      'model_switch',
      'instructions',
    ],
    ...['permissions', 'personality_spec', 'app-context', 'system-reminder', 'user_action'],
    ...[
      'realtime_conversation',
      'token_budget',
      '*_instructions',
      '*_context',
      'skills',
      'codex_*',
    ],
  ],
  starts: [
    '# AGENTS.md instructions',
    '# Context from my IDE setup:',
    '# Files mentioned by the user:',
    'Another language model started to solve this problem and produced a summary',
  ],
  requests: ['## My request for Codex:', '## My request:'],
}
