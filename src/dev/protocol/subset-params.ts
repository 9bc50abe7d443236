import { type Checked, orderParams } from './request-params.ts'
import type { FieldErrors, SubsetParams } from './source.ts'

const fields = ['where', 'params', 'order_by', 'limit', 'offset'] as const

/** What a POST body may hold, before anything is checked. */
export type RawSubset = { [field in (typeof fields)[number]]?: unknown }

/** A body that is no JSON object: the engine answers these before it looks at the shape. */
export class BodyError extends Error {
  override name = 'BodyError'
  readonly body: Record<string, string>

  constructor(body: Record<string, string>) {
    super(body.error)
    this.body = body
  }
}

/**
 * Reads the subset of a POST body; undefined where the body asks for none.
 *
 * @throws BodyError when the text is no JSON object.
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
  return onlyFields(isObject(body.subset) ? body.subset : body)
}

/**
 * Reads the subset of a query (`subset__where`, …); undefined where there is none.
 *
 * @example
 * subsetFromQuery(new URLSearchParams({ subset__limit: '1', subset__order_by: 'id' }))
 */
export function subsetFromQuery(query: URLSearchParams): RawSubset | undefined {
  const raw: Record<string, unknown> = {}
  for (const field of fields) {
    const value = query.get(`subset__${field}`)
    if (value !== null && value.trim() !== '') raw[field] = value
  }
  return onlyFields(raw)
}

/**
 * Checks the form of a subset.
 *
 * @example
 * parseSubset({ limit: 1 }) // errors: order_by is required when limit or offset is present
 */
export function parseSubset(raw: RawSubset): Checked<SubsetParams> {
  const errors: FieldErrors = {}
  const limit = integer(raw.limit, 'limit', errors)
  const offset = integer(raw.offset, 'offset', errors)
  if (limit !== undefined && limit <= 0) errors.limit = ['must be greater than 0']
  if (offset !== undefined && offset < 0) errors.offset = ['must be greater than or equal to 0']
  const orderBy = text(raw.order_by, 'order_by', errors)
  const where = text(raw.where, 'where', errors)
  if ((limit !== undefined || offset !== undefined) && orderBy === undefined) {
    errors.order_by = ['order_by is required when limit or offset is present']
  }
  const entries = paramEntries(raw.params, errors)
  if (Object.keys(errors).length > 0) return { errors }
  const params = where === undefined ? { value: [] } : orderParams(entries)
  if ('errors' in params) return params
  return { value: { where, params: params.value, orderBy, limit, offset } }
}

function onlyFields(raw: Record<string, unknown>): RawSubset | undefined {
  const kept = fields.filter((field) => raw[field] !== undefined && raw[field] !== null)
  if (kept.length === 0) return undefined
  return Object.fromEntries(kept.map((field) => [field, raw[field]]))
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

/** The engine's words for a JSON fault, from the position that the JavaScript parser tells. */
function jsonFault(error: unknown, text: string): string {
  const position = Number(/position (\d+)/.exec(String(error))?.[1] ?? text.length)
  const char = text[position]
  if (char === undefined) return `unexpected end of input at position ${text.length}`
  const byte = char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
  return `unexpected byte at position ${position}: 0x${byte} (${JSON.stringify(char)})`
}
