import { parseOffset, type RequestedOffset } from './offset.ts'
import type { FieldErrors, ShapeParams } from './source.ts'

/** A request for a shape that is well formed; whether the shape exists is for the source to say. */
export interface ShapeRequest {
  readonly shape: ShapeParams
  readonly offset: RequestedOffset
  /** Undefined with `-1` and `now`, where a handle is ignored. */
  readonly handle: string | undefined
  readonly live: boolean
  readonly sse: boolean
  readonly cursor: string | undefined
}

/** A value, or what is wrong with the request. */
export type Checked<T> = { readonly value: T } | { readonly errors: FieldErrors }

/**
 * Checks the query of a shape request, in the engine's order: the form of single parameters,
 * then the offset, the handle, live, the table.
 *
 * @example
 * parseShapeRequest(new URL(request.url).searchParams)
 */
export function parseShapeRequest(query: URLSearchParams): Checked<ShapeRequest> {
  const errors = formErrors(query)
  const offsetText = given(query, 'offset')
  if (offsetText === undefined) errors.offset = ["can't be blank"]
  if (Object.keys(errors).length > 0) return { errors }
  const offset = parseOffset(offsetText ?? '')
  if (offset === undefined) return { errors: { offset: ['has invalid format'] } }
  const handle = given(query, 'handle')
  const anonymous = offset === 'before-all' || offset === 'now'
  if (!anonymous && handle === undefined) {
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
  const value: ShapeRequest = {
    shape: shape.value,
    offset,
    handle: anonymous ? undefined : handle,
    live,
    sse,
    cursor: query.get('cursor') ?? undefined,
  }
  return { value }
}

/**
 * Checks only what defines the shape, as a DELETE does.
 *
 * @example
 * parseShapeParams(new URLSearchParams({ table: 'items' }))
 */
export function parseShapeParams(query: URLSearchParams): Checked<ShapeParams> {
  const errors = formErrors(query)
  if (Object.keys(errors).length > 0) return { errors }
  const table = given(query, 'table')
  if (table === undefined) return { errors: { table: ["can't be blank"] } }
  const where = given(query, 'where')
  // Parameters of no condition are not looked at.
  const params = where === undefined ? { value: [] } : numberedParams(query)
  if ('errors' in params) return params
  const value: ShapeParams = {
    table,
    where,
    params: params.value,
    columns: given(query, 'columns'),
    queryableColumns: given(query, 'queryable_columns'),
    replica: given(query, 'replica') === 'full' ? 'full' : 'default',
    log: given(query, 'log') === 'changes_only' ? 'changes_only' : 'full',
  }
  return { value }
}

/**
 * Puts `{ '1': …, '2': … }` into order.
 *
 * @example
 * orderParams([['1', 'a'], ['2', 'b']]) // { value: ['a', 'b'] }
 */
export function orderParams(entries: readonly (readonly [string, string])[]): Checked<string[]> {
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

/** A parameter with something in it: blank ones count as absent, as the engine has it. */
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

/** Anything but `false` sets a flag, even nothing: `&live` is live. */
function flag(query: URLSearchParams, name: string): boolean {
  return query.has(name) && query.get(name) !== 'false'
}

function numberedParams(query: URLSearchParams): Checked<string[]> {
  const entries: [string, string][] = []
  for (const [name, value] of query) {
    const match = /^params\[(.*)\]$/.exec(name)
    if (match) entries.push([match[1] ?? '', value])
  }
  return orderParams(entries)
}
