import { ELECTRIC_PROTOCOL_QUERY_PARAMS } from '@electric-sql/client'

/** The allowed parameter names. Two URL parsers could read any other name differently. */
export const PARAMETER_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

export const SUBSET_PREFIX = 'subset__'

/** The parameters with which a client tells Electric its position in a shape. */
export const protocolNames: ReadonlySet<string> = /* @__PURE__ */ (() =>
  new Set(ELECTRIC_PROTOCOL_QUERY_PARAMS.filter((name) => !name.startsWith(SUBSET_PREFIX))))()

/** The parameters of Electric that only the server may set. */
export const serverNames: ReadonlySet<string> = new Set([
  'table',
  'where',
  'columns',
  'queryable_columns',
  'params',
  'replica',
  'secret',
  'api_secret',
  'source_id',
])

/**
 * Returns why a shape can't have a parameter of this name, or undefined if it can.
 *
 * @example
 * parameterNameProblem('where') // 'is decided by the server'
 */
export function parameterNameProblem(name: string): string | undefined {
  if (!PARAMETER_NAME.test(name)) return 'is not a plain word of at most 64 letters'
  if (protocolNames.has(name) || name.startsWith(SUBSET_PREFIX)) return "is Electric's own"
  return serverNames.has(name) ? 'is decided by the server' : undefined
}
