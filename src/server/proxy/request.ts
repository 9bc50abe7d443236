import {
  PARAMETER_NAME,
  protocolNames,
  SUBSET_PREFIX,
  serverNames,
} from '../../shapes/parameter-names.ts'
import { SessionDbError } from '../../writes/errors.ts'

const SHAPE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const AMBIGUOUS_PATH = /\/\/|\\|%(?:2f|5c|2e|25|00)/i
const MAX_QUERY_LENGTH = 8_192

/** A client's query, split by receiver. */
export interface ShapeQuery {
  /** Parameters of Electric's protocol, which are passed on. */
  readonly protocol: ReadonlyMap<string, string>
  /** Parameters of the named shape. */
  readonly params: Readonly<Record<string, string>>
  /** Fields of a subset without their prefix, not yet validated. */
  readonly subset: ReadonlyMap<string, string>
}

/**
 * Reads the shape's name from the last segment of the path, so that the proxy can be mounted
 * anywhere. Paths that parsers disagree on are rejected.
 *
 * @throws SessionDbError `not_found`.
 * @example
 * shapeNameOf(new URL('https://app.example/api/shapes/sessions')) // 'sessions'
 */
export function shapeNameOf(url: URL): string {
  const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
  if (!SHAPE_NAME.test(name) || AMBIGUOUS_PATH.test(url.pathname)) throw unknownShape()
  return name
}

/** Creates the error for every path that names no shape. */
export function unknownShape(): SessionDbError {
  return new SessionDbError('not_found', 'There is no shape of this name.')
}

/**
 * Parses a query string strictly: plain names, each at most once, well-formed values.
 *
 * @param search as in `URL.search`, with or without the question mark; at most 8,192 characters.
 * @throws SessionDbError `invalid`, naming the parameter.
 * @example
 * readShapeQuery('?offset=-1&sessionId=s1')
 * // { protocol: Map { 'offset' => '-1' }, params: { sessionId: 's1' }, subset: Map {} }
 */
export function readShapeQuery(search: string): ShapeQuery {
  const protocol = new Map<string, string>()
  const params = new Map<string, string>()
  const subset = new Map<string, string>()
  const seen = new Set<string>()
  for (const [name, value] of pairs(search)) {
    if (seen.has(name)) throw invalid(`${name}: is given more than once`)
    seen.add(name)
    if (serverNames.has(name)) throw invalid(`${name}: is set by the server; leave it out`)
    if (protocolNames.has(name)) protocol.set(name, value)
    else if (name.startsWith(SUBSET_PREFIX)) subset.set(name.slice(SUBSET_PREFIX.length), value)
    else params.set(name, value)
  }
  return { protocol, params: Object.fromEntries(params), subset }
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
  let value: string
  try {
    value = decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    throw invalid(`${name}: is not correctly percent-encoded UTF-8`)
  }
  if (value.includes('\0')) throw invalid(`${name}: must not hold U+0000`)
  return value
}

function invalid(message: string): SessionDbError {
  return new SessionDbError('invalid', message)
}
