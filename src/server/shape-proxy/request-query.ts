import { ELECTRIC_PROTOCOL_QUERY_PARAMS } from '@electric-sql/client'
import { SessionDbError } from '../../writes/errors.ts'

const PARAMETER_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
const MAX_QUERY_LENGTH = 8_192

const SUBSET_PREFIX = 'subset__'
const protocolNames: ReadonlySet<string> = new Set(
  ELECTRIC_PROTOCOL_QUERY_PARAMS.filter((name) => !name.startsWith(SUBSET_PREFIX)),
)

/** What only the server may tell Electric; no shape can have a parameter of these names. */
const serverNames: ReadonlySet<string> = new Set([
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

/** A client's query, split into what goes on to Electric and what the shape is given. */
export interface ShapeQuery {
  readonly protocol: ReadonlyMap<string, string>
  readonly params: Readonly<Record<string, string>>
}

/**
 * Reads a raw query string strictly: every name plain and at most once, every value well-formed.
 *
 * @param search as in `URL.search`, with or without the question mark; at most 8,192 characters.
 * @throws SessionDbError `invalid`, naming the parameter.
 * @example
 * readShapeQuery('?offset=-1&sessionId=s1')
 * // { protocol: Map { 'offset' => '-1' }, params: { sessionId: 's1' } }
 */
export function readShapeQuery(search: string): ShapeQuery {
  const protocol = new Map<string, string>()
  const params = new Map<string, string>()
  for (const [name, value] of pairs(search)) {
    if (protocol.has(name) || params.has(name)) throw invalid(`${name}: is given more than once`)
    if (protocolNames.has(name)) protocol.set(name, value)
    else params.set(name, allowed(name, value))
  }
  return { protocol, params: Object.fromEntries(params) }
}

function* pairs(search: string): Generator<[name: string, value: string]> {
  const query = search.startsWith('?') ? search.slice(1) : search
  if (query.length > MAX_QUERY_LENGTH) {
    throw invalid(`The query is longer than ${MAX_QUERY_LENGTH} characters`)
  }
  if (query === '') return
  for (const part of query.split('&')) {
    const equals = part.indexOf('=')
    const name = equals < 0 ? part : part.slice(0, equals)
    if (!PARAMETER_NAME.test(name)) {
      throw invalid('The query holds a parameter whose name is not a plain word')
    }
    yield [name, decode(name, equals < 0 ? '' : part.slice(equals + 1))]
  }
}

function decode(name: string, raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    throw invalid(`${name}: is not correctly percent-encoded UTF-8`)
  }
}

function allowed(name: string, value: string): string {
  if (name.startsWith(SUBSET_PREFIX)) {
    throw invalid(`${name}: subsets are not offered; ask for the whole shape`)
  }
  if (serverNames.has(name)) throw invalid(`${name}: is decided by the server; leave it out`)
  return value
}

function invalid(message: string): SessionDbError {
  return new SessionDbError('invalid', message)
}
