import { setFlagsFromString } from 'node:v8'
import { WHERE_PREFIX, WhereError } from './where-error.ts'

/** Postgres's own parser. */
export type PgParser = typeof import('libpg-query')

/** A node of the parser's tree: one key, the node's type, and its fields. */
export type PgNode = Readonly<Record<string, PgFields>>

/** The fields of a node. The parser omits defaults (0, false, empty). */
export type PgFields = Readonly<Record<string, unknown>>

/** A subquery of a where clause, as parsed. */
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

/**
 * Loads Postgres's parser. V8 would optimise its WebAssembly in the background on first use, which takes
 * 600 MB and many seconds of CPU and never pays off, because every clause is parsed once.
 */
export async function loadPgParser(): Promise<PgParser> {
  // V8 reads the flags when it compiles WebAssembly, which the import starts.
  setFlagsFromString('--no-wasm-tier-up')
  setFlagsFromString('--no-wasm-dynamic-tiering')
  const loaded = await import('libpg-query')
  await loaded.loadModule()
  parser = loaded
  return loaded
}

/**
 * Parses a where clause. Call `loadPgParser` first.
 *
 * @throws WhereError with the engine's message
 */
export function parseWhere(text: string): ParsedWhere {
  const fields = parseStatement(`${WHERE_PREFIX}${text}`)
  const suffixes = ['fromClause', 'windowClause', 'groupClause', 'sortClause', 'lockingClause']
  // A UNION has no whereClause; its two halves have one each.
  if (!fields.whereClause || suffixes.some((clause) => fields[clause] !== undefined)) {
    throw new WhereError('malformed query ending with SQL clauses')
  }
  return withSubqueries(fields.whereClause as PgNode)
}

/** Finds the outermost subqueries of a condition. */
export function withSubqueries(root: PgNode): ParsedWhere {
  const subqueries: SelectParts[] = []
  visitNodes(root, 'SubLink', (link) => subqueries.push(selectParts(link.subselect)))
  return { root, subqueries }
}

/**
 * Parses the text after `ORDER BY`.
 *
 * @returns the fields of each `SortBy`
 * @throws WhereError
 */
export function parseOrderBy(text: string): readonly PgFields[] {
  if (text.includes(';')) throw new WhereError('Unexpected `;` in order by', 'order_by')
  const fields = parseStatement(`SELECT 1 ORDER BY ${text}`, 'order_by')
  return nodeList(fields.sortClause).map((node) => openNode(node)[1])
}

function parseStatement(sql: string, field = 'where'): PgFields {
  if (!parser) throw new Error('loadPgParser has not been called')
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
  // The engine tests for OFFSET where it means LIMIT: it accepts a LIMIT alone, and ignores it.
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

/** Returns the type and the fields of a node. */
export function openNode(node: unknown): [type: string, fields: PgFields] {
  const [entry] = Object.entries(node as PgNode)
  if (!entry) throw new Error('the parser returned an empty node')
  return entry
}

/** Returns a list of nodes; empty when omitted. */
export function nodeList(value: unknown): readonly PgNode[] {
  return (value as readonly PgNode[] | undefined) ?? []
}

/** Returns the byte position of a node in the parsed text; 0 when omitted. */
export function locationOf(fields: PgFields): number {
  return Math.max((fields.location as number | undefined) ?? 0, 0)
}

/** Returns the text of a `String` node. */
export function stringOf(node: unknown): string {
  const [, fields] = openNode(node)
  return (fields.sval as string | undefined) ?? ''
}

/** Visits the nodes of a type below `root` in the order of the text, without entering them. */
function visitNodes(root: unknown, type: string, visit: (fields: PgFields) => void): void {
  if (Array.isArray(root)) {
    for (const item of root) visitNodes(item, type, visit)
  } else if (typeof root === 'object' && root !== null) {
    for (const [key, value] of Object.entries(root)) {
      if (key === type) visit(value as PgFields)
      else visitNodes(value, type, visit)
    }
  }
}
