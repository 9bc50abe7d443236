import type { ResolvedShape } from '../../../shapes/resolve-shape.ts'
import { SessionDbError } from '../../../writes/errors.ts'
import { readJsonBody } from '../../http/json-body.ts'
import type { ShapeQuery } from '../request.ts'
import {
  checkColumn,
  checkExpression,
  type ExpressionScope,
  printExpression,
  printOrder,
  type SubsetOrder,
} from './expression.ts'
import { parseCondition, parseOrder } from './parse.ts'

const MAX_BODY_BYTES = 65_536
const MAX_PARAMS = 1_000
const MAX_ORDER = 16
const MAX_ROWS = 100_000

const FIELDS = ['where', 'where_expr', 'params', 'order_by', 'order_by_expr', 'limit', 'offset']

/** A subset as it is sent to the engine: all SQL in it was printed by the proxy. */
export interface ShapeSubset {
  readonly where: string
  readonly params: Readonly<Record<string, string>>
  readonly order_by?: string
  readonly limit?: number
  readonly offset?: number
}

/** Reads the subset of a request; undefined when the request is for the whole shape. */
export type ReadSubset = (
  request: Request,
  query: ShapeQuery,
  shape: ResolvedShape,
) => Promise<ShapeSubset | undefined>

/**
 * Creates the reader of subsets.
 *
 * @param enabled when false, every subset is refused.
 */
export function subsetReader(enabled: boolean): ReadSubset {
  return async (request, { subset: fields }, shape) => {
    if (request.method !== 'POST' && fields.size === 0) return undefined
    if (!enabled) {
      const name = [...fields.keys()][0] ?? ''
      throw invalid(`subset__${name}: subsets are not enabled; request the whole shape`)
    }
    const fromQuery = queryFields(fields)
    if (request.method !== 'POST') return checkSubset(fromQuery, shape)
    if (fields.size > 0) throw invalid('The subset is given twice: in the query and in the body')
    const body = bodyFields(await readJsonBody(request, MAX_BODY_BYTES))
    if (Object.keys(body).length === 0) throw invalid('The body holds no subset')
    return checkSubset(body, shape)
  }
}

type Fields = Readonly<Record<string, unknown>>

/** Query parameters are text; structured fields hold JSON. */
function queryFields(fields: ReadonlyMap<string, string>): Fields {
  const asJson = ['where_expr', 'params', 'order_by_expr', 'limit', 'offset']
  return Object.fromEntries(
    [...fields].map(([name, text]) => [name, asJson.includes(name) ? parsed(name, text) : text]),
  )
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid(`subset__${name}: is not JSON`)
  }
}

function bodyFields(body: unknown): Fields {
  if (!isRecord(body)) throw invalid('The body must be a JSON object')
  const inner = Object.hasOwn(body, 'subset') ? body.subset : body
  if (inner !== body && Object.keys(body).length > 1)
    throw invalid('The body holds more than a subset')
  if (!isRecord(inner)) throw invalid('The subset must be a JSON object')
  return inner
}

function checkSubset(fields: Fields, shape: ResolvedShape): ShapeSubset {
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) throw invalid('The subset holds an unknown field')
  const params = checkParams(fields.params)
  const scope = { columns: new Set(shape.columns), params: Object.keys(params).length }
  const order = orderOf(fields, scope)
  const limit = countOf(fields.limit, 'limit', 1)
  const offset = countOf(fields.offset, 'offset', 0)
  if ((limit !== undefined || offset !== undefined) && order === undefined) {
    throw invalid('The subset has a limit or offset, but no order_by')
  }
  return {
    where: whereOf(fields, scope),
    params,
    ...(order === undefined ? {} : { order_by: printOrder(order) }),
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
  }
}

/** Prefers the structured form; the text beside it is equivalent. */
function whereOf({ where, where_expr: expression }: Fields, scope: ExpressionScope): string {
  if (expression !== undefined) return printExpression(checkExpression(expression, scope))
  if (where === undefined) return 'TRUE'
  const condition = typeof where === 'string' ? parseCondition(where) : undefined
  if (condition === undefined) {
    throw invalid(
      'where: may hold columns, parameters, comparisons, AND, OR, NOT, IS NULL, LIKE, = ANY($n) and a few functions, and nothing else',
    )
  }
  return printExpression(checkExpression(condition, scope))
}

function orderOf(
  { order_by: text, order_by_expr: clauses }: Fields,
  scope: ExpressionScope,
): SubsetOrder[] | undefined {
  if (text === undefined && clauses === undefined) return undefined
  const order = clauses ?? (typeof text === 'string' ? parseOrder(text) : undefined)
  if (!Array.isArray(order) || order.length === 0 || order.length > MAX_ORDER) {
    throw invalid('order_by: may hold columns, ASC, DESC and NULLS FIRST or LAST, and nothing else')
  }
  return order.map((clause: unknown) => {
    const { column, direction, nulls } = isRecord(clause) ? clause : {}
    return {
      column: checkColumn(column, scope),
      direction: direction === 'desc' ? 'desc' : undefined,
      nulls: nulls === 'first' || nulls === 'last' ? nulls : undefined,
    }
  })
}

function checkParams(given: unknown = {}): Record<string, string> {
  if (!isRecord(given)) throw invalid('params: must be an object of values by number')
  const entries = Object.entries(given)
  if (entries.length > MAX_PARAMS) throw invalid(`params: are more than ${MAX_PARAMS}`)
  const params = entries.map(([key, value]) => {
    const isValue = ['string', 'number', 'boolean'].includes(typeof value)
    if (!/^[1-9]\d{0,3}$/.test(key) || !isValue || String(value).includes('\0')) {
      throw invalid('params: must be texts or numbers, numbered from 1')
    }
    return [Number(key), String(value)] as const
  })
  params.sort(([one], [other]) => one - other)
  if (params.some(([key], index) => key !== index + 1)) {
    throw invalid('params: must be numbered from 1, without a gap')
  }
  return Object.fromEntries(params.map(([key, value]) => [String(key), value]))
}

function countOf(given: unknown, name: string, least: number): number | undefined {
  if (given === undefined) return undefined
  const isCount = typeof given === 'number' && Number.isInteger(given)
  if (isCount && given >= least && given <= MAX_ROWS) return given
  throw invalid(`${name}: must be a whole number from ${least} to ${MAX_ROWS}`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): SessionDbError {
  return new SessionDbError('invalid', `${message}.`)
}
