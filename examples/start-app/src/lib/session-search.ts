import type { Session } from '@org/session-db'

/** The part of the URL about the session list. It stays while sessions are opened. */
export interface SessionListSearch {
  /** Text to find in titles and repositories, and words to find in timelines. */
  q?: string
  format?: Session['format']
  repo?: string
  status?: StatusChoice
}

/** Clears the list's filters when spread over a search. */
export const noListSearch = {
  q: undefined,
  format: undefined,
  repo: undefined,
  status: undefined,
}

export type StatusChoice = 'ready' | 'pending' | 'failed' | 'archived'

export const formatNames: Readonly<Record<string, string>> = {
  codex: 'Codex',
  'codex-exec': 'Codex exec',
  'claude-code': 'Claude Code',
  'gemini-cli': 'Gemini CLI',
  'copilot-cli': 'Copilot CLI',
  'qwen-code': 'Qwen Code',
  cursor: 'Cursor',
  goose: 'Goose',
  opencode: 'opencode',
  pi: 'pi',
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

/** Parses the list's part of the URL. Invalid values are dropped. */
export function parseListSearch(search: Record<string, unknown>): SessionListSearch {
  // The router parses `?q=42` as a number.
  const text = (value: unknown) => (value === undefined ? '' : String(value))
  return {
    ...(text(search.q) && { q: text(search.q) }),
    ...(isOneOf(formatNames, search.format) && { format: search.format }),
    ...(text(search.repo) && { repo: text(search.repo) }),
    ...(isOneOf(statusNames, search.status) && { status: search.status }),
  }
}

/**
 * True if a session is shown as being processed. A session with chats but without a log stays
 * `pending` and waits for nothing.
 */
export function isProcessing({ status, source }: Session): boolean {
  return status === 'pending' && source === 'upload'
}
