import { ELECTRIC_PROTOCOL_QUERY_PARAMS } from '@electric-sql/client'

/** What a parameter's name may look like; anything else could be read differently by two parsers. */
export const PARAMETER_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

export const SUBSET_PREFIX = 'subset__'

/** What a client tells Electric of its place in a shape. */
export const protocolNames: ReadonlySet<string> = /* @__PURE__ */ (() =>
  new Set(ELECTRIC_PROTOCOL_QUERY_PARAMS.filter((name) => !name.startsWith(SUBSET_PREFIX))))()

/** What only the server may tell Electric. */
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
 * Says why no shape can have a parameter of this name; undefined when it can.
 *
 * @example
 * parameterNameProblem('where') // 'is decided by the server'
 */
export function parameterNameProblem(name: string): string | undefined {
  if (!PARAMETER_NAME.test(name)) return 'is not a plain word of at most 64 letters'
  if (protocolNames.has(name) || name.startsWith(SUBSET_PREFIX)) return "is Electric's own"
  return serverNames.has(name) ? 'is decided by the server' : undefined
}
