import { setFlagsFromString } from 'node:v8'

/** Postgres' own parser. */
export type PgParser = typeof import('libpg-query')

/**
 * Loads the parser. V8 would optimise it in the background as soon as it is used, which takes 600 MB and
 * many seconds of a core; clauses are parsed once each, so that is never worth it.
 *
 * @example
 * const { parseSync } = await loadPgParser()
 */
export async function loadPgParser(): Promise<PgParser> {
  // Read when WebAssembly is compiled: hence before the import, which begins that.
  setFlagsFromString('--no-wasm-tier-up')
  setFlagsFromString('--no-wasm-dynamic-tiering')
  const parser = await import('libpg-query')
  await parser.loadModule()
  return parser
}
