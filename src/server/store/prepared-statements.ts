import { hash } from 'node:crypto'
import { createQueryId, PostgresQueryCompiler, type RawBuilder } from 'kysely'
import type { QueryConfig } from 'pg'

/** A statement ready to be sent to Postgres. */
export interface Query {
  /** The name under which a connection keeps the plan; undefined for statements sent unprepared. */
  readonly name: string | undefined
  readonly text: string
  readonly values: readonly unknown[]
}

/** Parameter values by name. A missing one is sent as NULL. */
export type Values = Readonly<Record<string, unknown>>

/** Returns the placeholder (`$1`, `$2`, …) of a named parameter; one name is one placeholder. */
export type Parameter = (name: string) => string

/** A statement's text without its values, which is built once and sent many times. */
export interface Statement {
  readonly name: string | undefined
  readonly text: string
  /** The named parameters in the order of their placeholders. */
  readonly parameters: readonly string[]
}

/**
 * Builds a statement from SQL text with named parameters.
 *
 * @param build Returns the text. It must not put values into it.
 * @param options.given The number of placeholders that come before the named ones.
 * @param options.prepare Whether connections keep the plan.
 */
export function buildStatement(
  build: (parameter: Parameter) => string,
  { given = 0, prepare = true }: { readonly given?: number; readonly prepare?: boolean } = {},
): Statement {
  const parameters: string[] = []
  const text = build((name) => {
    const known = parameters.indexOf(name)
    return `$${given + (known === -1 ? parameters.push(name) : known + 1)}`
  })
  return { name: prepare ? preparedName(text) : undefined, text, parameters }
}

/** Adds the values: first those of the placeholders before the named ones, then the named ones. */
export function bindStatement(
  { name, text, parameters }: Statement,
  values: Values,
  given: readonly unknown[] = [],
): Query {
  return { name, text, values: [...given, ...parameters.map((key) => values[key] ?? null)] }
}

/** Derived from the text because other stores may share the connections. */
function preparedName(text: string): string {
  return `session_db_${hash('sha256', text, 'hex').slice(0, 32)}`
}

/** SQL with its values, as Kysely compiles it. */
export interface Fragment {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

// A condition without parameters is often a constant; this saves compiling it on each write.
const constants = new WeakMap<RawBuilder<unknown>, Fragment>()

/** Compiles SQL whose placeholders start at `$(given + 1)`. */
export function compileFragment(statement: RawBuilder<unknown>, given = 0): Fragment {
  const constant = constants.get(statement)
  if (constant !== undefined) return constant
  const node = statement.toOperationNode()
  const fragment = new OffsetCompiler(given).compileQuery(node, createQueryId())
  if (fragment.parameters.length === 0) constants.set(statement, fragment)
  return fragment
}

class OffsetCompiler extends PostgresQueryCompiler {
  readonly #given: number

  constructor(given: number) {
    super()
    this.#given = given
  }

  protected override getCurrentParameterPlaceholder(): string {
    return `$${this.#given + this.numParameters}`
  }
}

/**
 * The number of statements a store prepares on a connection. Updates name different sets of columns
 * and a policy may return different SQL per user; texts beyond this number are sent unprepared.
 */
export const MAX_PREPARED = 200

/** Compiles Kysely's SQL into queries for `pg` that are parsed and planned once per connection. */
export interface Preparer {
  prepare<Row>(statement: RawBuilder<Row>): QueryConfig
}

export function createPreparer(): Preparer {
  const names = new Map<string, string>()
  return {
    prepare(statement) {
      const { sql: text, parameters } = compileFragment(statement)
      const query = { text, values: [...parameters] }
      const known = names.get(text)
      if (known === undefined && names.size >= MAX_PREPARED) return query
      const name = known ?? preparedName(text)
      names.set(text, name)
      return { name, ...query }
    },
  }
}
