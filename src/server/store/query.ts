/** A statement as it goes to Postgres. */
export interface Query {
  /** Under which a connection keeps it prepared; undefined when it is not worth keeping. */
  readonly name: string | undefined
  readonly text: string
  readonly values: readonly unknown[]
}
