/** One step of the database schema. Its SQL text runs once, in a transaction of its own. */
export interface Migration {
  /** Unique, and sorting after every earlier one: `0002-session-contents`. */
  readonly name: string
  /** Any number of statements; none that Postgres refuses inside a transaction. */
  readonly sql: string
}
