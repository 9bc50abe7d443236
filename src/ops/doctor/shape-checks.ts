import type { Condition } from '../../access/condition.ts'
import type { AnyShape, ShapeRegistry } from '../../shapes/define-shape.ts'
import type { Finding } from '../finding.ts'

/** Values of the sample principal and parameters, by which they are found in conditions. */
const USER = 'doctor-user'
const SAMPLE = { tenantId: 'doctor-tenant', userId: USER, groups: ['team:doctor-group'] }

type Problem =
  | { readonly kind: 'unconfined'; readonly subquery: Subquery }
  | { readonly kind: 'user' }
type Subquery = Extract<Condition, { kind: 'inSubquery' }>

/**
 * Checks the conditions of an app's shapes for costs that grow with the tenant. It calls `rows` with a sample
 * principal and sample parameters.
 *
 * @param principal further properties that `rows` needs
 */
export function checkShapes(
  shapes: ShapeRegistry<never>,
  principal: Readonly<Record<string, unknown>> = {},
): Finding[] {
  const findings = Object.entries(shapes).flatMap(([name, shape]) =>
    checkShape(name, shape, { ...principal, ...SAMPLE }),
  )
  if (findings.length > 0) return findings
  const message = `${Object.keys(shapes).length} shapes: subqueries are confined, and none depends on the user where an audience would do`
  return [{ check: 'shapes', level: 'ok', message }]
}

function checkShape(name: string, shape: AnyShape<never>, principal: object): Finding[] {
  let condition: Condition
  try {
    condition = shape.rows(principal as never, sampleParams() as never)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const message = `'${name}' could not be checked: ${reason}. Pass a principal with all properties of the app's.`
    return [{ check: 'shapes', level: 'skipped', message }]
  }
  const problems = [...problemsIn(condition, [])]
  const unconfined = problems.find((problem) => problem.kind === 'unconfined')
  return [
    ...(unconfined ? [unconfinedFinding(name, unconfined.subquery)] : []),
    ...(problems.some(({ kind }) => kind === 'user') ? [userFinding(name)] : []),
  ]
}

/** Parameters with every name, whose values are digits, so that conversions to numbers succeed. */
function sampleParams(): object {
  return new Proxy({}, { get: (_, name) => (typeof name === 'string' ? '7' : undefined) })
}

function unconfinedFinding(name: string, { table, select, column }: Subquery): Finding {
  return {
    check: 'shape-subquery',
    level: 'warning',
    message: `'${name}' selects by a subquery on ${table} that is not confined to the ${column} of its rows: each row that enters or leaves it costs the engine a query per open shape of the tenant. With 150 open, a message arrived after 440 ms instead of 70`,
    fix: `Add where.eq('${select}', …) with the same value to the subquery's condition: docs/own-shapes.md, "The cost of a subquery".`,
  }
}

function userFinding(name: string): Finding {
  return {
    check: 'shape-audience',
    level: 'warning',
    message: `'${name}' selects shared rows by the user, so the engine keeps a shape per user. For 100 users of 5,000 shared sessions that took 331 MB instead of 3 MB`,
    fix: 'Select by what users share, such as a team or the tenant, from a column of the row: docs/own-shapes.md, "The cost of a subquery".',
  }
}

/**
 * Finds the problems of a condition.
 *
 * @param fixed the columns that have one value in all rows of the shape
 * @param isShared true where the rows may be those of several users
 */
function* problemsIn(
  condition: Condition,
  fixed: readonly string[],
  isShared = false,
): Generator<Problem> {
  switch (condition.kind) {
    case 'and': {
      const columns = [...fixed, ...fixedColumns(condition)]
      for (const part of condition.conditions) yield* problemsIn(part, columns, isShared)
      return
    }
    case 'or': {
      const shared = isShared || condition.conditions.length > 1
      for (const part of condition.conditions) yield* problemsIn(part, fixed, shared)
      return
    }
    case 'not':
      yield* problemsIn(condition.condition, fixed, true)
      return
    case 'inSubquery': {
      const inner = fixedColumns(condition.where)
      if (fixed.includes(condition.column) && !inner.includes(condition.select)) {
        yield { kind: 'unconfined', subquery: condition }
      }
      yield* problemsIn(condition.where, inner, true)
      return
    }
    case 'eq':
    case 'contains':
      if (isShared && condition.value === USER) yield { kind: 'user' }
      return
    case 'inList':
      if (isShared && condition.values.includes(USER)) yield { kind: 'user' }
  }
}

/** Returns the columns that a condition compares with one value. */
function fixedColumns(condition: Condition): string[] {
  if (condition.kind === 'eq') return [condition.column]
  return condition.kind === 'and' ? condition.conditions.flatMap(fixedColumns) : []
}
