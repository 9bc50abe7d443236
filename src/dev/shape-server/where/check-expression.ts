import { checkArray, checkIndirection, checkUnion } from './check-arrays.ts'
import { checkCall, checkOperator } from './check-calls.ts'
import { castConstant, checkCast } from './check-casts.ts'
import type { Column, Constant, Expression, PgType } from './expression.ts'
import { locationOf, nodeList, openNode, type PgFields, stringOf } from './pg-node.ts'
import { castsImplicitly } from './types.ts'
import { errorAt } from './where-error.ts'

/** What names and parameters of a where clause mean. */
export interface CheckContext {
  /** Types of the table's columns. */
  readonly columns: ReadonlyMap<string, PgType>
  readonly params: readonly string[]
  /** Types a parameter has been decided to have, by number; shared by all clauses of a shape. */
  readonly decided: Map<number, Constant>
  /** Column types of each subquery, in the order of the text. */
  readonly subqueries: readonly (readonly PgType[])[]
  /** Subqueries met so far. */
  met: number
  /** Whether literals may be of enum types, as in subsets, which only Postgres ever decides. */
  readonly allowEnums?: boolean
}

/**
 * Checks a node of a where clause as the engine does, types included, and refuses what it refuses,
 * in its words.
 *
 * @throws WhereError
 */
export function checkExpression(node: unknown, context: CheckContext): Expression {
  const [type, fields] = openNode(node)
  const check = checks[type]
  if (!check) throw errorAt(locationOf(fields), `${type} is not supported in this context`)
  return check(fields, context)
}

type Check = (fields: PgFields, context: CheckContext) => Expression

const checks: Record<string, Check> = {
  A_Const: checkLiteral,
  ColumnRef: checkColumn,
  ParamRef: checkParam,
  BoolExpr: checkBoolean,
  A_Expr: checkOperator,
  FuncCall: checkCall,
  TypeCast: checkCast,
  NullTest: checkNullTest,
  BooleanTest: checkBooleanTest,
  SubLink: checkSubLink,
  A_ArrayExpr: checkArray,
  A_Indirection: checkIndirection,
  CoalesceExpr: (fields, context) => checkUnion(fields, context, 'coalesce'),
  MinMaxExpr: (fields, context) =>
    checkUnion(fields, context, fields.op === 'IS_LEAST' ? 'least' : 'greatest'),
}

function checkLiteral(fields: PgFields): Expression {
  const location = locationOf(fields)
  const constant = (type: PgType, value: string | null): Constant => ({
    kind: 'constant',
    type,
    value,
    location,
  })
  const inner = (name: string) => (fields[name] as PgFields | undefined)?.[name]
  if (fields.isnull) return constant('unknown', null)
  if (fields.sval !== undefined) return constant('unknown', (inner('sval') as string) ?? '')
  if (fields.ival !== undefined) return constant('int4', String(inner('ival') ?? 0))
  if (fields.boolval !== undefined) return constant('bool', inner('boolval') ? 'true' : 'false')
  if (fields.bsval !== undefined) throw errorAt(location, 'BitString values are not supported')
  const text = String(inner('fval') ?? '0')
  const isInt8 = /^\d+$/.test(text) && BigInt(text) < 1n << 63n
  return constant(isInt8 ? 'int8' : 'numeric', text)
}

function checkColumn(fields: PgFields, context: CheckContext): Column {
  const location = locationOf(fields)
  const path = nodeList(fields.fields).map((part) => {
    if (!('String' in part)) throw errorAt(location, 'A_Star is not supported in this context')
    return stringOf(part)
  })
  const [name = ''] = path
  const type = path.length === 1 ? context.columns.get(name) : undefined
  if (type === undefined) throw errorAt(location, `unknown reference ${dotted(path)}`)
  return { kind: 'column', type, name, location }
}

function checkParam(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const param = Number(fields.number ?? 0)
  const decided = context.decided.get(param)
  if (decided) return { ...decided, location }
  const value = context.params[param - 1]
  if (value === undefined) throw errorAt(location, `parameter $${param} was not provided`)
  return { kind: 'constant', type: 'unknown', value, location, param }
}

function checkBoolean(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const args = nodeList(fields.args).map((arg) => asBoolean(checkExpression(arg, context), context))
  if (fields.boolop === 'NOT_EXPR') {
    return { kind: 'not', type: 'bool', args: [args[0] as Expression], location }
  }
  const kind = fields.boolop === 'OR_EXPR' ? 'or' : 'and'
  return { kind, type: 'bool', args, location }
}

function asBoolean(expression: Expression, context: CheckContext): Expression {
  const decided = decide(expression, 'bool', context)
  if (castsImplicitly(decided.type, 'bool')) return decided
  const what =
    decided.kind === 'column'
      ? `reference ${quoted(decided.name)} of type ${decided.type}`
      : `function ${decided.kind === 'call' ? decided.name : decided.kind} returning ${decided.type}`
  throw errorAt(decided.location, `${what} is not castable to bool`)
}

function checkNullTest(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const arg = decide(checkExpression(fields.arg, context), 'text', context)
  const test = fields.nulltesttype === 'IS_NOT_NULL' ? 'IS NOT NULL' : 'IS NULL'
  return {
    kind: 'call',
    type: 'bool',
    name: test,
    args: [arg],
    location,
    sql: ([text]) => `(${text} ${test})`,
  }
}

function checkBooleanTest(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const test = String(fields.booltesttype ?? 'IS_TRUE').replaceAll('_', ' ')
  const arg = decide(checkExpression(fields.arg, context), 'bool', context)
  if (arg.type !== 'bool') {
    throw errorAt(location, `argument of ${test} must be bool, not ${arg.type}`)
  }
  const sql = ([text]: readonly string[]) => `(${text} ${test})`
  return { kind: 'call', type: 'bool', name: test, args: [arg], location, sql }
}

function checkSubLink(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  if (fields.subLinkType !== 'ANY_SUBLINK' || fields.operName !== undefined) {
    throw errorAt(location, 'only `value IN (SELECT ...)` sublinks are supported right now')
  }
  const [kind, left] = openNode(fields.testexpr)
  const parts = kind === 'RowExpr' ? nodeList(left.args) : [fields.testexpr]
  const columns = parts.map((part) => checkExpression(part, context))
  const subquery = context.met
  context.met += 1
  if (!columns.every((column) => column.kind === 'column')) {
    const message = 'currently, left side of `IN (SELECT ...)` can only be a column reference'
    throw errorAt(location, message)
  }
  const actual = rowType(columns.map((column) => column.type))
  const expected = rowType(context.subqueries[subquery] ?? [])
  if (actual !== expected) {
    const message = `left side of \`IN (SELECT ...)\` has type ${actual} but subquery returns ${expected}[]`
    throw errorAt(location, message)
  }
  return { kind: 'membership', type: 'bool', columns, subquery, location }
}

function rowType(types: readonly PgType[]): string {
  return types.length === 1 ? (types[0] as string) : `row of (${types.join(', ')})`
}

/** Gives a literal the type that its place asks for; everything else stays as it is. */
export function decide(expression: Expression, type: PgType, context: CheckContext): Expression {
  if (expression.kind !== 'constant' || expression.type !== 'unknown') return expression
  const typed = castConstant(expression, type, context.allowEnums)
  if (typed.param !== undefined) context.decided.set(typed.param, typed)
  return typed
}

/** A dotted name as messages have it. */
export function dotted(path: readonly string[]): string {
  const [first, ...rest] = path
  return (first === 'pg_catalog' && rest.length > 0 ? rest : path).map(quoted).join('.')
}

function quoted(name: string): string {
  return /^[\p{Ll}_][\p{Ll}\p{Nd}_]*$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
