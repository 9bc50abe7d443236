import type { TimelineEvent } from '@org/session-db'

/** What kinds of events are called. */
export const kindNames: Record<TimelineEvent['kind'], string> = {
  message: 'Message',
  reasoning: 'Reasoning',
  tool_call: 'Tool call',
  tool_result: 'Tool result',
  file_change: 'File change',
  system: 'System',
  meta: 'Info',
  other: 'Event',
}

const roleNames: Record<string, string> = {
  user: 'User',
  assistant: 'Assistant',
  system: 'System',
  developer: 'Developer',
  tool: 'Tool',
}

/** What a role is called; a log may have roles of its own. */
export function roleName(role: string): string {
  return roleNames[role] ?? role
}

/** What an event is called: a message by who speaks, everything else by its kind. */
export function eventName({ kind, role }: Pick<TimelineEvent, 'kind' | 'role'>): string {
  return kind === 'message' && role ? roleName(role) : kindNames[kind]
}
