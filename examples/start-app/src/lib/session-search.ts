import type { Session } from '@org/session-db'

/** What the address says of the list of sessions; it stays while one session after another is opened. */
export interface SessionListSearch {
  /** Part of the title or the repository, and words of the timelines. */
  q?: string
  format?: Session['format']
  repo?: string
  status?: StatusChoice
}

export type StatusChoice = 'ready' | 'pending' | 'failed' | 'archived'

export const formatNames: Record<Session['format'], string> = {
  codex: 'Codex',
  'claude-code': 'Claude Code',
  'gemini-cli': 'Gemini CLI',
  other: 'Other',
}

export const statusNames: Record<StatusChoice, string> = {
  ready: 'Ready',
  pending: 'Processing',
  failed: 'Failed',
  archived: 'Archived',
}

const isOneOf = <Key extends string>(names: Record<Key, string>, value: unknown): value is Key =>
  typeof value === 'string' && Object.hasOwn(names, value)

/** Reads the list's part of an address; what makes no sense is left out. */
export function parseListSearch(search: Record<string, unknown>): SessionListSearch {
  // The router reads `?q=42` as a number.
  const text = (value: unknown) => (value === undefined ? '' : String(value))
  return {
    ...(text(search.q) && { q: text(search.q) }),
    ...(isOneOf(formatNames, search.format) && { format: search.format }),
    ...(text(search.repo) && { repo: text(search.repo) }),
    ...(isOneOf(statusNames, search.status) && { status: search.status }),
  }
}

/**
 * Whether a session shows as being worked on. One that holds no log, only chats, is `pending` for
 * ever and waits for nothing.
 */
export function isProcessing({ status, source }: Session): boolean {
  return status === 'pending' && source === 'upload'
}
