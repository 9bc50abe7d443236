import type { Call, Column, Constant, Expression, PgType } from './expression.ts'
import { isLiteralOf } from './literals.ts'
import { pickOverload, unionType } from './overloads.ts'
import { locationOf, nodeList, openNode, type PgFields, stringOf } from './parse.ts'
import {
  castsExplicitly,
  castsImplicitly,
  elementOf,
  functionSignatures,
  isArray,
  isCastTarget,
  operatorSignatures,
  type Signature,
} from './tables.ts'
import { errorAt } from './where-error.ts'

/** The names and parameters that a where clause may refer to. */
export interface CheckOptions {
  /** Types of the table's columns. */
  readonly columns: ReadonlyMap<string, PgType>
  readonly params: readonly string[]
  /** Column types of each subquery, in the order of the text. */
  readonly subqueries?: readonly (readonly PgType[])[]
  /** Accepts literals of enum types, as in subsets, which Postgres alone decides. */
  readonly allowEnums?: boolean
}

type Check = (fields: PgFields) => Expression

/**
 * Checks a where clause, types included, by the engine's rules.
 *
 * @throws WhereError with the engine's message
 */
export function checkExpression(root: unknown, options: CheckOptions): Expression {
  const { columns, params, subqueries = [], allowEnums = false } = options
  /** A parameter has the type of its first use. */
  const decidedParams = new Map<number, Constant>()
  let subqueryCount = 0

  const checks: Record<string, Check> = {
    A_Const: checkLiteral,
    ColumnRef: checkColumn,
    ParamRef: checkParam,
    BoolExpr: checkBoolean,
    A_Expr: checkOperator,
    FuncCall: checkFunction,
    TypeCast: checkCast,
    NullTest: checkNullTest,
    BooleanTest: checkBooleanTest,
    SubLink: checkSubquery,
    A_ArrayExpr: checkArray,
    A_Indirection: checkSubscript,
    CoalesceExpr: (fields) => checkUnion(fields, 'coalesce'),
    MinMaxExpr: (fields) => checkUnion(fields, fields.op === 'IS_LEAST' ? 'least' : 'greatest'),
  }
  return check(root)

  function check(node: unknown): Expression {
    const [type, fields] = openNode(node)
    const checkNode = checks[type]
    if (!checkNode) throw errorAt(locationOf(fields), `${type} is not supported in this context`)
    return checkNode(fields)
  }

  function checkColumn(fields: PgFields): Column {
    const location = locationOf(fields)
    const path = nodeList(fields.fields).map((part) => {
      if (!('String' in part)) throw errorAt(location, 'A_Star is not supported in this context')
      return stringOf(part)
    })
    const [name = ''] = path
    const type = path.length === 1 ? columns.get(name) : undefined
    if (type === undefined) throw errorAt(location, `unknown reference ${dotted(path)}`)
    return { kind: 'column', type, name, location }
  }

  function checkParam(fields: PgFields): Expression {
    const location = locationOf(fields)
    const param = Number(fields.number ?? 0)
    const decided = decidedParams.get(param)
    if (decided) return { ...decided, location }
    const value = params[param - 1]
    if (value === undefined) throw errorAt(location, `parameter $${param} was not provided`)
    return { kind: 'constant', type: 'unknown', value, location, param }
  }

  /** Gives an untyped literal the type of its context; leaves other expressions alone. */
  function decide(expression: Expression, type: PgType): Expression {
    if (expression.kind !== 'constant' || expression.type !== 'unknown') return expression
    const { value, location } = expression
    const isKnown = value === null || (allowEnums && type.startsWith('enum '))
    if (!isKnown && !isLiteralOf(value, type)) {
      throw errorAt(location, `invalid syntax for type ${type}: ${value}`)
    }
    return remember({ ...expression, type })
  }

  function remember(constant: Constant): Constant {
    if (constant.param !== undefined) decidedParams.set(constant.param, constant)
    return constant
  }

  function decideAll(args: readonly Expression[], { args: types }: Signature): Expression[] {
    return args.map((arg, i) => decide(arg, types[i] as PgType))
  }

  function checkBoolean(fields: PgFields): Expression {
    const location = locationOf(fields)
    const args = nodeList(fields.args).map((arg) => asBoolean(check(arg)))
    if (fields.boolop === 'NOT_EXPR') {
      return { kind: 'not', type: 'bool', args: [args[0] as Expression], location }
    }
    const kind = fields.boolop === 'OR_EXPR' ? 'or' : 'and'
    return { kind, type: 'bool', args, location }
  }

  function asBoolean(expression: Expression): Expression {
    const decided = decide(expression, 'bool')
    if (castsImplicitly(decided.type, 'bool')) return decided
    const found =
      decided.kind === 'column'
        ? `reference ${quoted(decided.name)} of type ${decided.type}`
        : `function ${decided.kind === 'call' ? decided.name : decided.kind} returning ${decided.type}`
    throw errorAt(decided.location, `${found} is not castable to bool`)
  }

  function checkNullTest(fields: PgFields): Expression {
    const arg = decide(check(fields.arg), 'text')
    const test = fields.nulltesttype === 'IS_NOT_NULL' ? 'IS NOT NULL' : 'IS NULL'
    return call('bool', test, [arg], locationOf(fields), ([a]) => `(${a} ${test})`)
  }

  function checkBooleanTest(fields: PgFields): Expression {
    const location = locationOf(fields)
    const test = String(fields.booltesttype ?? 'IS_TRUE').replaceAll('_', ' ')
    const arg = decide(check(fields.arg), 'bool')
    if (arg.type !== 'bool') {
      throw errorAt(location, `argument of ${test} must be bool, not ${arg.type}`)
    }
    return call('bool', test, [arg], location, ([a]) => `(${a} ${test})`)
  }

  /** `value IN (SELECT …)` */
  function checkSubquery(fields: PgFields): Expression {
    const location = locationOf(fields)
    if (fields.subLinkType !== 'ANY_SUBLINK' || fields.operName !== undefined) {
      throw errorAt(location, 'only `value IN (SELECT ...)` sublinks are supported right now')
    }
    const [kind, left] = openNode(fields.testexpr)
    const parts = kind === 'RowExpr' ? nodeList(left.args) : [fields.testexpr]
    const compared = parts.map(check)
    const subquery = subqueryCount++
    if (!compared.every((part) => part.kind === 'column')) {
      const message = 'currently, left side of `IN (SELECT ...)` can only be a column reference'
      throw errorAt(location, message)
    }
    const actual = rowType(compared.map((column) => column.type))
    const expected = rowType(subqueries[subquery] ?? [])
    if (actual !== expected) {
      const message = `left side of \`IN (SELECT ...)\` has type ${actual} but subquery returns ${expected}[]`
      throw errorAt(location, message)
    }
    return { kind: 'membership', type: 'bool', columns: compared, subquery, location }
  }

  /** `name(args)` */
  function checkFunction(fields: PgFields): Expression {
    const location = locationOf(fields)
    if (AGGREGATE_FIELDS.some((field) => fields[field] !== undefined)) {
      throw errorAt(location, 'aggregation is not supported in this context')
    }
    const given = nodeList(fields.args).map(check)
    const name = dotted(nodeList(fields.funcname).map(stringOf))
    const choices = functionSignatures(name, given.length)
    if (!choices) {
      throw errorAt(location, `unknown or unsupported function ${name}/${given.length}`)
    }
    const types = given.map((arg) => arg.type)
    const chosen = pickOverload(choices, types, false)
    if (!chosen) {
      const list = types.join(', ')
      throw errorAt(location, `Could not select a function overload for ${name}(${list})`)
    }
    return call(chosen.returns, name, decideAll(given, chosen), location, (args) =>
      functionSql(name, args),
    )
  }

  /** Operators, and the special forms that the parser represents as operators. */
  function checkOperator(fields: PgFields): Expression {
    const location = locationOf(fields)
    const name = nodeList(fields.name).map(stringOf).at(-1) ?? ''
    const kind = String(fields.kind ?? 'AEXPR_OP')
    const left = fields.lexpr === undefined ? undefined : check(fields.lexpr)
    const [type, list] = openNode(fields.rexpr)
    const right = (type === 'List' ? nodeList(list.items) : [fields.rexpr]).map(check)
    const [first] = right as [Expression, ...Expression[]]
    if (left === undefined) return unary(name, first, location)
    const compare = (operator: string, a: Expression, b: Expression) =>
      binary(operator, a, b, location)
    const between = ([low, high]: readonly Expression[]) =>
      junction(
        'and',
        [compare('<=', low as Expression, left), compare('<=', left, high as Expression)],
        location,
      )
    switch (kind) {
      case 'AEXPR_OP':
      case 'AEXPR_LIKE':
      case 'AEXPR_ILIKE':
        return compare(name, left, first)
      case 'AEXPR_DISTINCT':
        return distinct('IS DISTINCT FROM', compare('<>', left, first))
      case 'AEXPR_NOT_DISTINCT':
        return distinct('IS NOT DISTINCT FROM', compare('<>', left, first))
      case 'AEXPR_IN': {
        const any = junction(
          'or',
          right.map((value) => compare('=', left, value)),
          location,
        )
        return name === '<>' ? negate(any) : any
      }
      case 'AEXPR_BETWEEN':
        return between(right)
      case 'AEXPR_NOT_BETWEEN':
        return negate(between(right))
      case 'AEXPR_BETWEEN_SYM':
      case 'AEXPR_NOT_BETWEEN_SYM': {
        const inside = junction('or', [between(right), between(right.toReversed())], location)
        return kind === 'AEXPR_NOT_BETWEEN_SYM' ? negate(inside) : inside
      }
      case 'AEXPR_OP_ANY':
        return quantified('ANY', name, left, first, location)
      case 'AEXPR_OP_ALL':
        return quantified('ALL', name, left, first, location)
      default:
        throw errorAt(
          location,
          `expression ${dotted([name])} of :${kind} is not currently supported`,
        )
    }
  }

  function unary(name: string, arg: Expression, location: number): Call {
    const chosen = chooseOperator(name, [arg.type], location)
    const args = decideAll([arg], chosen)
    return call(chosen.returns, name, args, location, ([a]) => `(${name} ${a})`)
  }

  function binary(name: string, left: Expression, right: Expression, location: number): Call {
    const chosen = chooseOperator(name, [left.type, right.type], location)
    const args = decideAll([left, right], chosen)
    return call(chosen.returns, name, args, location, ([a, b]) => `(${a} ${name} ${b})`)
  }

  function quantified(
    quantifier: 'ANY' | 'ALL',
    name: string,
    left: Expression,
    right: Expression,
    location: number,
  ): Expression {
    if (right.type !== 'unknown' && !isArray(right.type)) {
      throw errorAt(right.location, 'argument of ANY must be an array')
    }
    const chosen = chooseOperator(name, [left.type, elementOf(right.type)], location)
    if (chosen.returns !== 'bool') {
      throw errorAt(location, 'ANY/ALL requires operator that returns bool')
    }
    const [leftType, rightType] = chosen.args as [PgType, PgType]
    const args = [decide(left, leftType), decide(right, `${rightType}[]`)]
    const sql = ([a, b]: readonly string[]) => `(${a} ${name} ${quantifier}(${b}))`
    return call('bool', quantifier.toLowerCase(), args, location, sql)
  }

  /** `value::type` */
  function checkCast(fields: PgFields): Expression {
    const arg = check(fields.arg)
    const target = typeOf(fields.typeName as PgFields)
    if (arg.kind === 'constant') return castLiteral(arg, target)
    if (arg.type === target) return arg
    if (!castsExplicitly(arg.type, target)) {
      throw errorAt(arg.location, `unknown cast from type ${arg.type} to type ${target}`)
    }
    return call(
      target,
      `${arg.type}_to_${target}`,
      [arg],
      arg.location,
      ([a]) => `(${a})::pg_catalog.${target}`,
    )
  }

  function castLiteral(constant: Constant, target: PgType): Constant {
    const from = constant.type === 'unknown' ? 'text' : constant.type
    const { value, location } = constant
    if (!castsExplicitly(from, target)) {
      throw errorAt(location, `unknown cast from type ${from} to type ${target}`)
    }
    const cast = value === null ? null : castText(value, from, target)
    if (cast === undefined || (cast !== null && !isLiteralOf(cast, target))) {
      const shown = from === 'text' ? JSON.stringify(value) : value
      throw errorAt(location, `could not cast value ${shown} from ${from} to ${target}`)
    }
    return remember({ ...constant, value: cast, type: target })
  }

  /** `ARRAY[a, b]` */
  function checkArray(fields: PgFields): Expression {
    const elements = nodeList(fields.elements).map(check)
    const type = commonType(elements, 'ARRAY', locationOf(fields))
    const args = elements.map((element) => decide(element, type))
    const arrayType = isArray(type) ? type : `${type}[]`
    const sql = (parts: readonly string[]) => `ARRAY[${parts.join(', ')}]`
    return call(arrayType, 'array', args, locationOf(fields), sql)
  }

  /** `coalesce(a, b)`, `least(a, b)`, `greatest(a, b)` */
  function checkUnion(fields: PgFields, name: string): Expression {
    const parts = nodeList(fields.args).map(check)
    const type = commonType(parts, name, locationOf(fields))
    const args = parts.map((part) => decide(part, type))
    return call(type, name, args, locationOf(fields), (a) => `${name}(${a.join(', ')})`)
  }

  /** `a[1]`, `a[1:2]` */
  function checkSubscript(fields: PgFields): Expression {
    const arg = check(fields.arg)
    if (!isArray(arg.type)) {
      throw errorAt(arg.location, `cannot subscript type ${arg.type} because it is not an array`)
    }
    const steps = nodeList(fields.indirection).map((step) => openNode(step)[1])
    const isSlice = steps.some((step) => step.is_slice)
    const bounds = steps.flatMap((step) => [step.lidx, step.uidx])
    const indices = bounds.filter((bound) => bound !== undefined).map(checkIndex)
    const type = isSlice ? arg.type : elementOf(arg.type)
    return call(type, 'subscript', [arg, ...indices], arg.location, ([text, ...texts]) => {
      return `(${text})${subscripts(bounds, texts, isSlice)}`
    })
  }

  function checkIndex(node: unknown): Expression {
    const index = decide(check(node), 'int8')
    if (!INDEX_TYPES.includes(index.type)) {
      throw errorAt(index.location, `${index.type} cannot be matched to int8`)
    }
    return index
  }
}

const AGGREGATE_FIELDS = [
  'agg_order',
  'agg_filter',
  'over',
  'agg_within_group',
  'agg_star',
  'agg_distinct',
]

/** Numbers with fractions are rounded. */
const INDEX_TYPES = ['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']

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

/** Converts the text of a literal between types; undefined where the engine fails. */
function castText(value: string, from: PgType, target: PgType): string | undefined {
  if (from === 'bool' && target === 'int4') return value.startsWith('t') ? '1' : '0'
  if (from !== 'int4' || target !== 'bool') return value
  return Number(value) < 0 ? undefined : String(Number(value) > 0)
}

/** Writes a function call. Postgres has no functions by the names of some types, and no `ilike`. */
function functionSql(name: string, args: readonly string[]): string {
  const [first, second] = args
  if (name === 'like') return `(${first} ~~ ${second})`
  if (name === 'ilike') return `(${first} ~~* ${second})`
  return isCastTarget(name)
    ? `(${first})::pg_catalog.${name}`
    : `pg_catalog.${name}(${args.join(', ')})`
}

function chooseOperator(name: string, types: readonly PgType[], location: number): Signature {
  const choices = operatorSignatures(name, types.length)
  if (!choices) {
    const arity = types.length === 1 ? 'unary' : 'binary'
    throw errorAt(location, `unknown ${arity} operator ${dotted([name])}`)
  }
  const chosen = pickOverload(choices, types, true)
  if (!chosen) throw errorAt(location, 'Could not select an operator overload')
  return chosen
}

function commonType(values: readonly Expression[], name: string, location: number): PgType {
  const types = values.map((value) => value.type)
  return unionType(types, (left, right) =>
    errorAt(location, `${name} types ${left} and ${right} cannot be matched`),
  )
}

function typeOf(fields: PgFields): PgType {
  const names = nodeList(fields.names).map(stringOf)
  const name = names.at(-1) ?? ''
  const schema = names.length > 1 ? names[0] : undefined
  if (!isCastTarget(name) || (schema !== undefined && schema !== 'pg_catalog')) {
    throw errorAt(locationOf(fields), `unsupported type ${dotted(names)}`)
  }
  return nodeList(fields.arrayBounds).length > 0 ? `${name}[]` : name
}

function call(
  type: PgType,
  name: string,
  args: readonly Expression[],
  location: number,
  sql: Call['sql'],
): Call {
  return { kind: 'call', type, name, args, location, sql }
}

function junction(kind: 'and' | 'or', args: readonly Expression[], location: number): Expression {
  const [only] = args
  return args.length === 1 && only ? only : { kind, type: 'bool', args, location }
}

function negate(expression: Expression): Expression {
  return { kind: 'not', type: 'bool', args: [expression], location: expression.location }
}

function distinct(test: string, { args, location }: Call): Expression {
  return call('bool', test, args, location, ([a, b]) => `(${a} ${test} ${b})`)
}

/** Writes subscripts. If one is a slice, all are; a missing lower bound is then 1. */
function subscripts(
  bounds: readonly unknown[],
  texts: readonly string[],
  isSlice: boolean,
): string {
  const rest = [...texts]
  const written = bounds.map((bound) => (bound === undefined ? '' : `(${rest.shift()})::int4`))
  const steps: string[] = []
  for (let at = 0; at < written.length; at += 2) {
    const [low = '', high = ''] = written.slice(at, at + 2)
    steps.push(isSlice ? `[${low || '1'}:${high}]` : `[${high}]`)
  }
  return steps.join('')
}

function rowType(types: readonly PgType[]): string {
  return types.length === 1 ? (types[0] as string) : `row of (${types.join(', ')})`
}

/** Writes a dotted name as messages show it. */
export function dotted(path: readonly string[]): string {
  const [first, ...rest] = path
  return (first === 'pg_catalog' && rest.length > 0 ? rest : path).map(quoted).join('.')
}

function quoted(name: string): string {
  return /^[\p{Ll}_][\p{Ll}\p{Nd}_]*$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
