import type * as z from 'zod/mini'
import type { sessionFormatSchema } from '../schema/session.ts'
import type { EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'

export type SessionFormat = z.output<typeof sessionFormatSchema>

/** The beginning of a log, by which its format is told. */
export interface LogStart {
  /** Up to 256 KiB, without a byte order mark. */
  readonly text: string
  /** The values of the first lines that are JSON, up to 20. */
  readonly values: readonly unknown[]
}

/** What a log says of the session as a whole. All of it may be unknown, and none is trusted. */
export interface SessionFacts {
  /** The agent's own id of the session. */
  agentSessionId?: unknown
  /** By default the first thing that the user asked. */
  title?: unknown
  /** The folder that the agent worked in. */
  workspaceRoot?: unknown
  /** What is known of the repository: branch, commit, URL. */
  repo?: Readonly<Record<string, unknown>>
  /** URL of the repository, from which its label is made. */
  repositoryUrl?: unknown
  /** When the session began, if before its first event. */
  startedAt?: unknown
}

/** One reading of one log. */
export interface TimelineParserRun {
  /** What is known so far of the session; read when the log is at its end. */
  readonly facts: SessionFacts
  /** Takes the next line that is not blank. May return no event yet, or several. */
  push(line: LogLine): Iterable<EventDraft>
  /** The log is at its end: returns what was held back. */
  finish(): Iterable<EventDraft>
}

/** Makes timeline events of one format's logs. */
export interface TimelineParser {
  /** Tells this parser from others: `codex`, `my-agent`. */
  readonly name: string
  /** Stored in the session's `format`. */
  readonly format: SessionFormat
  /** To be raised when the same log would give other events. */
  readonly version: number
  /**
   * What becomes of long lines: `cut` (over 16 Mi characters, only the start is kept) or `split`
   * (over 64 Ki, they come in pieces).
   */
  readonly longLines: 'cut' | 'split'
  /** How sure it is, from 0 (not mine) to 1, that a log is of its format. */
  detect(start: LogStart): number
  /** Begins to read a log. */
  create(): TimelineParserRun
}

/**
 * Defines a parser for a format of one's own, to be given to `deriveTimeline`.
 *
 * A parser must take whatever it is pushed: what it cannot read becomes an `other` event with
 * `unparseable: true`. Every line should give an event, so that nothing is lost without notice.
 *
 * @example
 * defineTimelineParser({
 *   name: 'my-agent',
 *   version: 1,
 *   detect: ({ values }) => (isMine(values[0]) ? 1 : 0),
 *   create: () => ({
 *     facts: {},
 *     push: ({ text }) => [{ kind: 'message', role: 'user', text }],
 *     finish: () => [],
 *   }),
 * })
 */
export function defineTimelineParser(
  parser: Pick<TimelineParser, 'name' | 'version' | 'detect' | 'create'> & Partial<TimelineParser>,
): TimelineParser {
  return { format: 'other', longLines: 'cut', ...parser }
}
