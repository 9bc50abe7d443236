import { hash } from 'node:crypto'
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely'
import type { QueryConfig } from 'pg'

// Only its compiler is used: statements run on the store's own pool.
const compiler = new Kysely<unknown>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

// Each connection keeps a plan per name. Updates name a different set of columns each, so their
// number has to end somewhere: texts beyond it are sent without a name.
const MAX_PREPARED = 200

/** Turns statements into queries for `pg`, by name, so that Postgres parses and plans each once. */
export interface Preparer {
  prepare<Row>(statement: RawBuilder<Row>): QueryConfig
}

export function createPreparer(): Preparer {
  const names = new Map<string, string>()
  return {
    prepare(statement) {
      const { sql: text, parameters } = statement.compile(compiler)
      const name = names.get(text) ?? newName(names, text)
      const query = { text, values: [...parameters] }
      return name === undefined ? query : { name, ...query }
    },
  }
}

function newName(names: Map<string, string>, text: string): string | undefined {
  if (names.size >= MAX_PREPARED) return undefined
  // From the text: other stores may use the same connections.
  const name = `session_db_${hash('sha256', text, 'hex').slice(0, 32)}`
  names.set(text, name)
  return name
}
