import { parseOffset, type RequestedOffset } from './offset.ts'
import type { FieldErrors, ShapeParams, SubsetParams } from './source.ts'

/** The parts of a request that the protocol reads. A fetch `Request` fits. */
export interface ProtocolRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal
  text(): Promise<string>
}

/** A well-formed request for a shape. Whether the table exists is checked by the source. */
export interface ShapeRequest {
  readonly shape: ShapeParams
  readonly offset: RequestedOffset
  /** Undefined with `-1` and `now`, where a handle is ignored. */
  readonly handle: string | undefined
  readonly live: boolean
  readonly sse: boolean
  readonly cursor: string | undefined
}

/** A value, or the errors of the request by parameter. */
export type Checked<T> = { readonly value: T } | { readonly errors: FieldErrors }

/**
 * Checks the query of a shape request in the engine's order: the form of single parameters, then the
 * offset, the handle, live, the table.
 */
export function parseShapeRequest(query: URLSearchParams): Checked<ShapeRequest> {
  const errors = formErrors(query)
  const offsetText = given(query, 'offset')
  if (offsetText === undefined) errors.offset = ["can't be blank"]
  if (Object.keys(errors).length > 0) return { errors }
  const offset = parseOffset(offsetText ?? '')
  if (offset === undefined) return { errors: { offset: ['has invalid format'] } }
  const handle = given(query, 'handle')
  const isStart = offset === 'before-all' || offset === 'now'
  if (!isStart && handle === undefined) {
    return { errors: { handle: ["can't be blank when offset != -1"] } }
  }
  const live = flag(query, 'live')
  const sse = flag(query, 'live_sse') || flag(query, 'experimental_live_sse')
  if (live && offset === 'before-all') {
    return { errors: { live: ["can't be true when offset == -1"] } }
  }
  if (live && offset === 'now') return { errors: { live: ["can't be true when offset is 'now'"] } }
  if (sse && !live) return { errors: { live_sse: ["can't be true unless live is also true"] } }
  const shape = parseShapeParams(query)
  if ('errors' in shape) return shape
  return {
    value: {
      shape: shape.value,
      offset,
      handle: isStart ? undefined : handle,
      live,
      sse,
      cursor: query.get('cursor') ?? undefined,
    },
  }
}

/** Checks only the parameters that define the shape, as for a DELETE. */
export function parseShapeParams(query: URLSearchParams): Checked<ShapeParams> {
  const errors = formErrors(query)
  if (Object.keys(errors).length > 0) return { errors }
  const table = given(query, 'table')
  if (table === undefined) return { errors: { table: ["can't be blank"] } }
  const where = given(query, 'where')
  // Without a condition the engine ignores its parameters.
  const params = where === undefined ? { value: [] } : orderParams(numberedParams(query))
  if ('errors' in params) return params
  return {
    value: {
      table,
      where,
      params: params.value,
      columns: given(query, 'columns'),
      queryableColumns: given(query, 'queryable_columns'),
      replica: given(query, 'replica') === 'full' ? 'full' : 'default',
      log: given(query, 'log') === 'changes_only' ? 'changes_only' : 'full',
    },
  }
}

/** Returns a parameter; blank counts as absent, as in the engine. */
export function given(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name)
  return value === null || value.trim() === '' ? undefined : value
}

function formErrors(query: URLSearchParams): FieldErrors {
  const errors: FieldErrors = {}
  const choices = { replica: ['default', 'full'], log: ['full', 'changes_only'] }
  for (const [name, allowed] of Object.entries(choices)) {
    const value = given(query, name)
    if (value !== undefined && !allowed.includes(value)) errors[name] = ['is invalid']
  }
  if (given(query, 'params') !== undefined) errors.params = ['is invalid']
  return errors
}

/** Any value but `false` sets a flag, even none: `&live` is live. */
function flag(query: URLSearchParams, name: string): boolean {
  return query.has(name) && query.get(name) !== 'false'
}

function numberedParams(query: URLSearchParams): [string, string][] {
  const entries: [string, string][] = []
  for (const [name, value] of query) {
    const match = /^params\[(.*)\]$/.exec(name)
    if (match) entries.push([match[1] ?? '', value])
  }
  return entries
}

/** Puts `['2', 'b'], ['1', 'a']` into order: `['a', 'b']`. */
function orderParams(entries: readonly (readonly [string, string])[]): Checked<string[]> {
  if (entries.some(([key]) => !/^\d+$/.test(key))) {
    return { errors: { params: ['Parameters can only use numbers as keys'] } }
  }
  const sorted = entries.map(([key, value]) => [Number(key), value] as const)
  sorted.sort(([a], [b]) => a - b)
  if (sorted.some(([key], index) => key !== index + 1)) {
    return {
      errors: { params: ['Parameters must be numbered sequentially, starting from 1'] },
    }
  }
  return { value: sorted.map(([, value]) => value) }
}

const SUBSET_FIELDS = ['where', 'params', 'order_by', 'limit', 'offset'] as const

const MAX_SUBSET_WHERE_BYTES = 65_536

/** The subset of a request before its values are checked. */
export type RawSubset = { [field in (typeof SUBSET_FIELDS)[number]]?: unknown }

/** Thrown for a POST body that is not a JSON object. The engine reports it before it looks at the shape. */
export class BodyError extends Error {
  override name = 'BodyError'
  readonly body: Record<string, string>

  constructor(body: Record<string, string>) {
    super(body.error)
    this.body = body
  }
}

/**
 * Reads the subset of a POST body; undefined when the body asks for none.
 *
 * @throws BodyError when the text is not a JSON object
 * @example
 * subsetFromBody('{"where":"id = $1","params":{"1":"7"}}')
 */
export function subsetFromBody(text: string): RawSubset | undefined {
  if (text.trim() === '') return undefined
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new BodyError({ error: 'Invalid JSON in request body', details: jsonFault(error, text) })
  }
  if (!isObject(body)) throw new BodyError({ error: 'Request body must be a JSON object' })
  return pickSubset(isObject(body.subset) ? body.subset : body)
}

/** Reads the subset of a query (`subset__where`, …); undefined when there is none. */
export function subsetFromQuery(query: URLSearchParams): RawSubset | undefined {
  return pickSubset(
    Object.fromEntries(SUBSET_FIELDS.map((field) => [field, given(query, `subset__${field}`)])),
  )
}

function pickSubset(raw: Record<string, unknown>): RawSubset | undefined {
  const set = SUBSET_FIELDS.filter((field) => raw[field] !== undefined && raw[field] !== null)
  if (set.length === 0) return undefined
  return Object.fromEntries(set.map((field) => [field, raw[field]]))
}

/** Checks the form of a subset. */
export function parseSubset(raw: RawSubset): Checked<SubsetParams> {
  const errors: FieldErrors = {}
  const limit = integer(raw.limit, 'limit', errors)
  const offset = integer(raw.offset, 'offset', errors)
  if (limit !== undefined && limit <= 0) errors.limit = ['must be greater than 0']
  if (offset !== undefined && offset < 0) errors.offset = ['must be greater than or equal to 0']
  const orderBy = text(raw.order_by, 'order_by', errors)
  const where = text(raw.where, 'where', errors)
  if (where !== undefined && new TextEncoder().encode(where).length > MAX_SUBSET_WHERE_BYTES) {
    errors.where = [`should be at most ${MAX_SUBSET_WHERE_BYTES} byte(s)`]
  }
  if ((limit !== undefined || offset !== undefined) && orderBy === undefined) {
    errors.order_by = ['order_by is required when limit or offset is present']
  }
  const entries = paramEntries(raw.params, errors)
  if (Object.keys(errors).length > 0) return { errors }
  const params = where === undefined ? { value: [] } : orderParams(entries)
  if ('errors' in params) return params
  return { value: { where, params: params.value, orderBy, limit, offset } }
}

function integer(value: unknown, field: string, errors: FieldErrors): number | undefined {
  if (value === undefined) return undefined
  const isNumber = typeof value === 'number' && Number.isInteger(value)
  if (isNumber || (typeof value === 'string' && /^[+-]?\d+$/.test(value))) return Number(value)
  errors[field] = ['is invalid']
  return undefined
}

function text(value: unknown, field: string, errors: FieldErrors): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') errors[field] = ['is invalid']
  else if (value.trim() !== '') return value
  return undefined
}

function paramEntries(value: unknown, errors: FieldErrors): [string, string][] {
  let params = value
  if (typeof params === 'string') {
    try {
      params = JSON.parse(params)
    } catch {
      errors.params = ['params must be valid JSON']
      return []
    }
    if (!isObject(params)) errors.params = ['params must be a JSON object']
  }
  if (params === undefined || errors.params) return []
  if (!isObject(params)) {
    errors.params = ['is invalid']
    return []
  }
  return Object.entries(params).map(([key, entry]) => [key, String(entry ?? '')])
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Describes a JSON fault in the engine's words, at the position named by the JavaScript parser's message. */
function jsonFault(error: unknown, text: string): string {
  const position = Number(/position (\d+)/.exec(String(error))?.[1] ?? text.length)
  const char = text[position]
  if (char === undefined) return `unexpected end of input at position ${text.length}`
  const byte = char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
  return `unexpected byte at position ${position}: 0x${byte} (${JSON.stringify(char)})`
}
