import { nodeList, openNode, type PgFields, type PgNode, stringOf, visitNodes } from './pg-node.ts'
import { loadPgParser, type PgParser } from './pg-parser.ts'
import { WhereError, wherePrefix } from './where-error.ts'

/** A subquery of a where clause, as far as the text tells. */
export interface SelectParts {
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
  readonly where: PgNode | undefined
}

/** A parsed where clause. */
export interface ParsedWhere {
  readonly root: PgNode
  /** The outermost subqueries, in the order of the text. */
  readonly subqueries: readonly SelectParts[]
}

let parser: PgParser | undefined

/** Loads the parser; call it before `parseWhere`. */
export async function loadParser(): Promise<void> {
  parser = await loadPgParser()
}

/**
 * Parses a where clause with Postgres' own parser.
 *
 * @throws WhereError in the engine's words.
 * @example
 * parseWhere("owner = 'ann' AND id IN (SELECT item_id FROM grants)")
 */
export function parseWhere(text: string): ParsedWhere {
  const fields = parseStatement(`${wherePrefix}${text}`)
  const suffixes = ['fromClause', 'windowClause', 'groupClause', 'sortClause', 'lockingClause']
  // A UNION has its conditions in its two halves, and none of its own.
  if (!fields.whereClause || suffixes.some((clause) => fields[clause] !== undefined)) {
    throw new WhereError('malformed query ending with SQL clauses')
  }
  return subqueriesOf(fields.whereClause as PgNode)
}

/** The subqueries directly inside a node; theirs are their own affair. */
export function subqueriesOf(root: PgNode): ParsedWhere {
  const subqueries: SelectParts[] = []
  visitNodes(root, 'SubLink', (link) => subqueries.push(selectParts(link.subselect)))
  return { root, subqueries }
}

/**
 * Parses what follows `ORDER BY`.
 *
 * @returns the fields of each `SortBy`.
 * @throws WhereError
 */
export function parseOrderBy(text: string): readonly PgFields[] {
  if (text.includes(';')) throw new WhereError('Unexpected `;` in order by', 'order_by')
  const fields = parseStatement(`SELECT 1 ORDER BY ${text}`, 'order_by')
  return nodeList(fields.sortClause).map((node) => openNode(node)[1])
}

function parseStatement(sql: string, field = 'where'): PgFields {
  if (!parser) throw new Error('loadParser has not been called')
  let statements: readonly { stmt?: unknown }[]
  try {
    statements = parser.parseSync(sql).stmts ?? []
  } catch (error) {
    const { message, sqlDetails } = error as Error & { sqlDetails?: { cursorPosition: number } }
    throw new WhereError(`At location ${sqlDetails?.cursorPosition ?? 0}: ${message}`, field)
  }
  const [statement] = statements
  if (statements.length !== 1 || !statement) {
    throw new WhereError('unescaped ";" causing statement split', field)
  }
  return openNode(statement.stmt)[1]
}

function selectParts(subselect: unknown): SelectParts {
  const [, select] = openNode(subselect)
  const columns = nodeList(select.targetList).map((target) => plainColumn(openNode(target)[1]))
  const from = nodeList(select.fromClause)
  const [source] = from
  if (from.length !== 1 || !source || !('RangeVar' in source)) {
    throw new WhereError('Expected a single table reference')
  }
  // The engine looks for OFFSET where it means LIMIT; a LIMIT alone passes, and is ignored.
  const refused = ['distinctClause', 'groupClause', 'havingClause', 'windowClause', 'limitOffset']
  if ([...refused, 'sortClause', 'lockingClause', 'withClause'].some((key) => select[key])) {
    throw new WhereError('SELECT statement must not contain any clauses')
  }
  const [, range] = openNode(source)
  return {
    schema: String(range.schemaname ?? 'public'),
    table: String(range.relname),
    columns,
    where: select.whereClause as PgNode | undefined,
  }
}

function plainColumn(target: PgFields): string {
  const [type, value] = openNode(target.val)
  const parts = type === 'ColumnRef' ? nodeList(value.fields) : []
  const [only] = parts
  if (parts.length !== 1 || !only || !('String' in only)) {
    throw new WhereError(
      `At location ${Number(target.location ?? 0)}: Expected a plain column reference`,
    )
  }
  return stringOf(only)
}
