/** How a check ended: `skipped` when what it needs was not given. */
export type FindingLevel = 'ok' | 'warning' | 'error' | 'skipped'

/** What one check found, and what to do about it. */
export interface Finding {
  /** Name of the check, stable for programs, for example `publication`. */
  readonly check: string
  readonly level: FindingLevel
  /** What was seen, for people; it holds no secret. */
  readonly message: string
  /** What to do about it: a command, a statement or a sentence. */
  readonly fix?: string
}
