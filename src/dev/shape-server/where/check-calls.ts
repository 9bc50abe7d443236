import { type CheckContext, checkExpression, decide, dotted } from './check-expression.ts'
import type { Expression, PgType } from './expression.ts'
import { functionSignatures, operatorSignatures, type Signature } from './operators.ts'
import { pickOverload } from './overloads.ts'
import { locationOf, nodeList, openNode, type PgFields, stringOf } from './pg-node.ts'
import { elementOf, isArray } from './types.ts'
import { errorAt } from './where-error.ts'

/** `name(args)` */
export function checkCall(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const aggregate = [
    'agg_order',
    'agg_filter',
    'over',
    'agg_within_group',
    'agg_star',
    'agg_distinct',
  ]
  if (aggregate.some((field) => fields[field] !== undefined)) {
    throw errorAt(location, 'aggregation is not supported in this context')
  }
  const given = nodeList(fields.args).map((arg) => checkExpression(arg, context))
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
  const args = given.map((arg, i) => decide(arg, chosen.args[i] as PgType, context))
  const sql = (parts: readonly string[]) => `pg_catalog.${name}(${parts.join(', ')})`
  return { kind: 'call', type: chosen.returns, name, args, location, sql }
}

/** Any operator, and the special forms the parser treats as one. */
export function checkOperator(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const name = nodeList(fields.name).map(stringOf).at(-1) ?? ''
  const kind = String(fields.kind ?? 'AEXPR_OP')
  const left = fields.lexpr === undefined ? undefined : checkExpression(fields.lexpr, context)
  const right = operands(fields.rexpr, context)
  const [first] = right as [Expression, ...Expression[]]
  const join = (op: string, a: Expression, b: Expression) => binary(op, [a, b], location, context)
  if (left === undefined) return unary(name, first, location, context)
  switch (kind) {
    case 'AEXPR_OP':
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
      return join(name, left, first)
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
      return distinct(kind, join('<>', left, first))
    case 'AEXPR_IN': {
      const any = chain(
        'or',
        right.map((value) => join('=', left, value)),
        location,
      )
      return name === '<>' ? negate(any) : any
    }
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN': {
      const inside = between(left, right)
      return kind === 'AEXPR_NOT_BETWEEN' ? negate(inside) : inside
    }
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const inside = chain(
        'or',
        [between(left, right), between(left, [...right].reverse())],
        location,
      )
      return kind === 'AEXPR_NOT_BETWEEN_SYM' ? negate(inside) : inside
    }
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
      return anyOrAll(
        kind === 'AEXPR_OP_ANY' ? 'ANY' : 'ALL',
        name,
        [left, first],
        location,
        context,
      )
    default: {
      const message = `expression ${dotted([name])} of :${kind} is not currently supported`
      throw errorAt(location, message)
    }
  }

  function between(value: Expression, bounds: readonly Expression[]): Expression {
    const [low, high] = bounds as [Expression, Expression]
    return chain('and', [join('<=', low, value), join('<=', value, high)], location)
  }
}

function operands(node: unknown, context: CheckContext): Expression[] {
  const [type, fields] = openNode(node)
  const items = type === 'List' ? nodeList(fields.items) : [node]
  return items.map((item) => checkExpression(item, context))
}

function chain(kind: 'and' | 'or', args: readonly Expression[], location: number): Expression {
  const [only] = args
  return args.length === 1 && only ? only : { kind, type: 'bool', args, location }
}

function negate(expression: Expression): Expression {
  return { kind: 'not', type: 'bool', args: [expression], location: expression.location }
}

function unary(name: string, arg: Expression, location: number, context: CheckContext): Expression {
  const chosen = choose(name, [arg.type], location)
  const args = [decide(arg, chosen.args[0] as PgType, context)]
  const sql = ([text]: readonly string[]) => `(${name} ${text})`
  return { kind: 'call', type: chosen.returns, name, args, location, sql }
}

function binary(
  name: string,
  operandPair: readonly [Expression, Expression],
  location: number,
  context: CheckContext,
): Expression {
  const chosen = choose(
    name,
    operandPair.map((arg) => arg.type),
    location,
  )
  const args = operandPair.map((arg, i) => decide(arg, chosen.args[i] as PgType, context))
  const sql = ([a, b]: readonly string[]) => `(${a} ${name} ${b})`
  return { kind: 'call', type: chosen.returns, name, args, location, sql }
}

function distinct(kind: string, comparison: Expression): Expression {
  const operator = kind === 'AEXPR_DISTINCT' ? 'IS DISTINCT FROM' : 'IS NOT DISTINCT FROM'
  const args = comparison.kind === 'call' ? comparison.args : []
  return {
    kind: 'call',
    type: 'bool',
    name: operator,
    args,
    location: comparison.location,
    sql: ([a, b]) => `(${a} ${operator} ${b})`,
  }
}

function anyOrAll(
  quantifier: 'ANY' | 'ALL',
  name: string,
  [left, right]: readonly [Expression, Expression],
  location: number,
  context: CheckContext,
): Expression {
  if (right.type !== 'unknown' && !isArray(right.type)) {
    throw errorAt(right.location, 'argument of ANY must be an array')
  }
  const chosen = choose(name, [left.type, elementOf(right.type)], location)
  if (chosen.returns !== 'bool') {
    throw errorAt(location, 'ANY/ALL requires operator that returns bool')
  }
  const [leftType, rightType] = chosen.args as [PgType, PgType]
  const args = [decide(left, leftType, context), decide(right, `${rightType}[]`, context)]
  const sql = ([a, b]: readonly string[]) => `(${a} ${name} ${quantifier}(${b}))`
  return { kind: 'call', type: 'bool', name: quantifier.toLowerCase(), args, location, sql }
}

function choose(name: string, types: readonly PgType[], location: number): Signature {
  const choices = operatorSignatures(name, types.length)
  if (!choices) {
    const arity = types.length === 1 ? 'unary' : 'binary'
    throw errorAt(location, `unknown ${arity} operator ${dotted([name])}`)
  }
  const chosen = pickOverload(choices, types, true)
  if (!chosen) throw errorAt(location, 'Could not select an operator overload')
  return chosen
}
