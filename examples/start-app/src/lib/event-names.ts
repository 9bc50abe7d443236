import type { TimelineEvent } from '@org/session-db'

/** Names of the kinds of events. */
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

/** The name of a role. Logs may have their own roles. */
export function roleName(role: string): string {
  return roleNames[role] ?? role
}

/** The name of an event: a message's author, otherwise its kind. */
export function eventName({ kind, role }: Pick<TimelineEvent, 'kind' | 'role'>): string {
  return kind === 'message' && role ? roleName(role) : kindNames[kind]
}
