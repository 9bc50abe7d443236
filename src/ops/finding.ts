/** The result of one check of the doctor. */
export interface Finding {
  /** The check's name, stable for programs, for example `publication`. */
  readonly check: string
  /** `skipped` means that the options didn't name what the check looks at. */
  readonly level: 'ok' | 'warning' | 'error' | 'skipped'
  /** The observed state, for people. Contains no secrets. */
  readonly message: string
  /** The repair: a command, a statement or a sentence. */
  readonly fix?: string
}
