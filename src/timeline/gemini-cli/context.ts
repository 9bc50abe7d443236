import type { ContextRules } from '../context.ts'

/** Text that the Gemini CLI injects in the user's name. */
export const GEMINI_CONTEXT: ContextRules = {
  tags: [
    ...['session_context', 'hook_context', 'environment_context', 'system-reminder'],
    ...['state_snapshot', 'loaded_context', 'extension_context', '*_context'],
  ],
  starts: ['This is the Gemini CLI. We are setting up the context for our chat.'],
  blocks: [['--- Content from referenced files ---', '--- End of content ---']],
}
