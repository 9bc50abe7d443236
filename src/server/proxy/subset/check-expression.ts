import { SessionDbError } from '../../../writes/errors.ts'
import { functionForms, isFunctionName, type SubsetExpression } from './expression.ts'

const MAX_DEPTH = 32
const MAX_NODES = 500

/** What an expression may speak of. */
export interface ExpressionScope {
  /** Database names of the columns that may be asked about. */
  readonly columns: ReadonlySet<string>
  /** How many parameters were given. */
  readonly params: number
}

/**
 * Checks an expression, however it came: only known operators, synced columns, given parameters, and no
 * more of it than the engine should be burdened with.
 *
 * @throws SessionDbError `invalid`.
 */
export function checkExpression(value: unknown, scope: ExpressionScope): SubsetExpression {
  let nodes = 0
  const check = (node: unknown, depth: number): SubsetExpression => {
    nodes += 1
    if (nodes > MAX_NODES || depth > MAX_DEPTH) throw invalid('is too large')
    if (typeof node !== 'object' || node === null) throw invalid('is not an expression')
    const { type, column, paramIndex, value: constant, name, args } = { ...node } as Untrusted
    switch (type) {
      case 'ref':
        return { type, column: checkColumn(column, scope) }
      case 'val':
        if (!isIndex(paramIndex, scope.params)) throw invalid('names a parameter that is not given')
        return { type, paramIndex }
      case 'constant':
        return { type, value: constant === true }
      case 'func': {
        if (typeof name !== 'string' || !isFunctionName(name))
          throw invalid('has an unknown operator')
        const { least, most } = functionForms[name]
        if (!Array.isArray(args) || args.length < least || args.length > most) {
          throw invalid(`gives ${name} the wrong number of values`)
        }
        return { type, name, args: args.map((arg) => check(arg, depth + 1)) }
      }
      default:
        throw invalid('is not an expression')
    }
  }
  return check(value, 0)
}

/** @throws SessionDbError `invalid` for a column that is not synced, whether it exists or not. */
export function checkColumn(column: unknown, { columns }: ExpressionScope): string {
  if (typeof column === 'string' && columns.has(column)) return column
  throw invalid('names a column that this shape does not have')
}

interface Untrusted {
  readonly type?: unknown
  readonly column?: unknown
  readonly paramIndex?: unknown
  readonly value?: unknown
  readonly name?: unknown
  readonly args?: unknown
}

function isIndex(value: unknown, count: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= count
}

function invalid(problem: string): SessionDbError {
  return new SessionDbError('invalid', `The subset ${problem}.`)
}
