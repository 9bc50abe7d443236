import {
  PARAMETER_NAME,
  protocolNames,
  SUBSET_PREFIX,
  serverNames,
} from '../../shapes/parameter-names.ts'
import { SessionDbError } from '../../writes/errors.ts'

const MAX_QUERY_LENGTH = 8_192

/** A client's query, split into what goes on to Electric and what the shape is given. */
export interface ShapeQuery {
  readonly protocol: ReadonlyMap<string, string>
  readonly params: Readonly<Record<string, string>>
  /** The fields of a subset, without their prefix; nothing of them is checked yet. */
  readonly subset: ReadonlyMap<string, string>
}

/**
 * Reads a raw query string strictly: every name plain and at most once, every value well-formed.
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
    if (serverNames.has(name)) throw invalid(`${name}: is decided by the server; leave it out`)
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
  const value = percentDecoded(name, raw)
  if (value.includes('\0')) throw invalid(`${name}: must not hold U+0000`)
  return value
}

function percentDecoded(name: string, raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    throw invalid(`${name}: is not correctly percent-encoded UTF-8`)
  }
}

function invalid(message: string): SessionDbError {
  return new SessionDbError('invalid', message)
}
