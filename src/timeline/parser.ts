import type { Amendment, EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'
import type { TokenUsage } from './usage.ts'

/** The start of a log, from which its format is detected. */
export interface LogStart {
  /** Up to 256 KiB, without byte order mark. */
  readonly text: string
  /** Parsed values of the first lines that are JSON, up to 20. */
  readonly values: readonly unknown[]
}

/** Properties of the session found in the log. All are optional and untrusted. */
export interface SessionFacts {
  /** The agent's own session id. */
  agentSessionId?: unknown
  /** Default: the first prompt. */
  title?: unknown
  /** The agent's working directory. */
  workspaceRoot?: unknown
  /** Repository: branch, commit, URL. */
  repo?: Readonly<Record<string, unknown>>
  /** URL of the repository; its label is derived from it. */
  repositoryUrl?: unknown
  /** Start of the session, if before its first event. */
  startedAt?: unknown
  /** The model that answered last. */
  model?: unknown
  /** Version of the agent. */
  agentVersion?: unknown
  /** Tokens as the agent reports them, each model answer counted once. */
  usage?: TokenUsage
  /** Cost of the session in US dollars, if the log states it. */
  costUsd?: unknown
}

/** The state of parsing one log. */
export interface TimelineParserRun {
  /** Session facts found so far; read after `finish`. */
  readonly facts: SessionFacts
  /** Parses the next non-blank line into any number of events. */
  push(line: LogLine): Iterable<EventDraft | Amendment>
  /** Called at the end of the log: returns events that were held back. */
  finish(): Iterable<EventDraft | Amendment>
}

/** Parses logs of one format into timeline events. */
export interface TimelineParser {
  /** Unique name: `codex`, `my-agent`. */
  readonly name: string
  /** Stored in the session's `format`. Default: the parser's name. */
  readonly format: string
  /** Raise it when the same log would give other events. */
  readonly version: number
  /**
   * Handling of long lines: `cut` keeps only the start of lines over 16 Mi characters, `split` passes
   * lines over 64 Ki characters in pieces.
   */
  readonly longLines: 'cut' | 'split'
  /** Confidence that the log has this format, from 0 to 1. */
  detect(start: LogStart): number
  /** Starts parsing a log. */
  create(): TimelineParserRun
}

/**
 * Defines a parser for another log format, for use with `deriveTimeline`.
 *
 * A parser must accept any input and never throw: an unreadable line becomes an `other` event with
 * `unparseable: true`. Every line should end up in an event, so that nothing is lost silently.
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
  return { format: parser.name, longLines: 'cut', ...parser }
}
