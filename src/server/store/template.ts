import { hash } from 'node:crypto'
import { createQueryId, PostgresQueryCompiler, type RawBuilder, sql } from 'kysely'
import type { Query } from './query.ts'

/** Where a statement takes a value from, each time it is sent. */
export type Source<Input> = (input: Input) => unknown

/** Puts a value into a statement under construction; the same key is the same parameter. */
export type Slot<Input> = (key: string, source: Source<Input>) => RawBuilder<unknown>

/** A statement without its values. Putting one together takes far longer than sending it. */
export interface Template<Input> {
  /** @param given the values of the parameters that were there before the template's own. */
  bind(input: Input, given?: readonly unknown[]): Query
}

/** SQL with its values, as Kysely compiles it. */
export interface Fragment {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

// A condition without parameters is often one constant, which need not be compiled for each write.
const withoutParameters = new WeakMap<RawBuilder<unknown>, Fragment>()

/** Compiles SQL whose parameters are numbered from `$(given + 1)` on. */
export function compileFragment(statement: RawBuilder<unknown>, given = 0): Fragment {
  const known = withoutParameters.get(statement)
  if (known !== undefined) return known
  const node = statement.toOperationNode()
  const fragment = new Compiler(given).compileQuery(node, createQueryId())
  if (fragment.parameters.length === 0) withoutParameters.set(statement, fragment)
  return fragment
}

class Compiler extends PostgresQueryCompiler {
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
 * Puts a statement together once, to be sent often.
 *
 * @param build makes the statement of slots; values that it holds as they are would stay for ever.
 * @param given how many parameters there are already.
 * @param isKept whether connections should keep it prepared.
 */
export function createTemplate<Input>(
  build: (slot: Slot<Input>) => RawBuilder<unknown>,
  { given = 0, isKept = true }: { readonly given?: number; readonly isKept?: boolean } = {},
): Template<Input> {
  const numbers = new Map<string, number>()
  const sources: Source<Input>[] = []
  const slot: Slot<Input> = (key, source) => {
    const known = numbers.get(key)
    const number = known ?? given + sources.push(source)
    if (known === undefined) numbers.set(key, number)
    return sql.raw(`$${number}`)
  }
  const text = compileFragment(build(slot)).sql
  // From the text: other stores may use the same connections.
  const name = isKept ? `session_db_${hash('sha256', text, 'hex').slice(0, 32)}` : undefined
  return {
    bind: (input, before = []) => ({
      name,
      text,
      values: [...before, ...sources.map((source) => source(input))],
    }),
  }
}
