import type { Condition } from '../../src/access/condition.ts'
import * as where from '../../src/access/where.ts'
import { type RowText, rowKey } from '../../src/dev/protocol/messages.ts'
import type { ShapeParams } from '../../src/dev/protocol/source.ts'
import { loadPgParser, type PgParser } from '../../src/dev/shape-server/where/parse.ts'
import type {
  CommittedTransaction,
  RowSource,
  TableChange,
  TableForm,
} from '../../src/testing/row-source.ts'
import { timestamptzText } from '../../src/testing/wire-text.ts'

/** Thrown for SQL of a recording that the shape mock does not support. */
export class BeyondMemory extends Error {
  override name = 'BeyondMemory'
}

interface Table {
  readonly form: TableForm
  readonly parents: readonly { readonly table: string; readonly columns: readonly string[] }[]
  readonly rows: Map<string, RowText>
}

/** A node of Postgres's syntax tree: one property, named after its type. */
type Node = { readonly [type: string]: Fields }
// biome-ignore lint/suspicious/noExplicitAny: the tree has a separate type for each of 260 nodes.
type Fields = any

const TYPES = new Set(['text', 'int4', 'timestamptz', 'bool'])

/** Tables in memory that run the plain SQL of recordings. */
export interface SqlInMemory extends RowSource {
  /** @throws BeyondMemory */
  commit(statements: readonly string[]): CommittedTransaction
  /** @throws BeyondMemory */
  conditionOf(params: ShapeParams): Condition
}

let parser: PgParser | undefined

/** Creates a database without tables. */
export async function createSqlInMemory(): Promise<SqlInMemory> {
  parser ??= await loadPgParser()
  const tables = new Map<string, Table>()
  let txid = 1000
  let lsn = 26_000_000n

  function tableOf(name: string): Table {
    const table = tables.get(name)
    if (table) return table
    throw new BeyondMemory(`table ${name}`)
  }

  function run(sql: string, changes: TableChange[]): void {
    for (const [type, fields] of statementsOf(sql).flatMap(Object.entries)) {
      if (type === 'DropStmt') drop(fields)
      else if (type === 'CreateStmt') create(fields)
      else if (type === 'InsertStmt') insert(fields, changes)
      else if (type === 'UpdateStmt') update(fields, changes)
      else if (type === 'DeleteStmt') remove(fields, changes)
      else throw new BeyondMemory(type)
    }
  }

  function drop({ objects, removeType }: Fields): void {
    if (removeType !== 'OBJECT_TABLE') throw new BeyondMemory(removeType)
    for (const { List } of objects) tables.delete(List.items.at(-1).String.sval)
  }

  function create({ relation, tableElts, partspec, inhRelations }: Fields): void {
    if (relation.schemaname || partspec || inhRelations) throw new BeyondMemory('schema, partition')
    const columns = tableElts.flatMap(({ ColumnDef }: Node) => (ColumnDef ? [ColumnDef] : []))
    const constraints = tableElts.flatMap(({ Constraint }: Node) =>
      Constraint ? [Constraint] : [],
    )
    const inline = columns.filter((column: Fields) =>
      column.constraints?.some(({ Constraint }: Node) => Constraint.contype === 'CONSTR_PRIMARY'),
    )
    const primary = constraints.find(({ contype }: Fields) => contype === 'CONSTR_PRIMARY')
    const keyColumns = primary ? names(primary.keys) : inline.map(({ colname }: Fields) => colname)
    if (keyColumns.length === 0) throw new BeyondMemory('no primary key')
    const form = {
      relation: ['public', relation.relname] as const,
      keyColumns,
      columns: columns.map(({ colname, typeName, constraints = [] }: Fields) => ({
        name: colname,
        type: typeOf(typeName),
        notNull: keyColumns.includes(colname) || isNotNull(constraints),
      })),
    }
    const parents = constraints
      .filter(({ contype }: Fields) => contype === 'CONSTR_FOREIGN')
      .map(({ pktable, fk_attrs }: Fields) => ({
        table: pktable.relname,
        columns: names(fk_attrs),
      }))
    tables.set(relation.relname, { form, parents, rows: new Map() })
  }

  function put(name: string, old: RowText | undefined, row: RowText | undefined) {
    const { form, rows } = tableOf(name)
    const keyOf = (one: RowText) => rowKey(form.relation, form.keyColumns, one)
    if (old && (!row || keyOf(old) !== keyOf(row))) rows.delete(keyOf(old))
    if (row) rows.set(keyOf(row), row)
    return { table: name, old, row }
  }

  function insert(
    { relation, cols, selectStmt, onConflictClause }: Fields,
    changes: TableChange[],
  ) {
    if (onConflictClause || !selectStmt?.SelectStmt.valuesLists) throw new BeyondMemory('INSERT')
    const { form } = tableOf(relation.relname)
    const given = cols?.map(({ ResTarget }: Node) => ResTarget.name)
    for (const { List } of selectStmt.SelectStmt.valuesLists) {
      const values = form.columns.map(({ name, type }, index) => {
        const at = given ? given.indexOf(name) : index
        const value = List.items[at]
        return [name, value ? asType(type, constant(value)) : null]
      })
      changes.push(put(relation.relname, undefined, Object.fromEntries(values)))
    }
  }

  function update({ relation, targetList, whereClause }: Fields, changes: TableChange[]): void {
    const { form } = tableOf(relation.relname)
    for (const row of [...matching(relation.relname, whereClause)]) {
      const values = targetList.map(({ ResTarget }: Node) => {
        const { name, val } = ResTarget as { name: string; val: Node }
        const type = form.columns.find((column) => column.name === name)?.type ?? ''
        return [name, evaluate(val, row, type)]
      })
      changes.push(put(relation.relname, row, { ...row, ...Object.fromEntries(values) }))
    }
  }

  function remove({ relation, whereClause }: Fields, changes: TableChange[]): void {
    let gone = [...matching(relation.relname, whereClause)].map((row) => ({
      table: relation.relname as string,
      row,
    }))
    while (gone.length > 0) {
      changes.push(...gone.map(({ table, row }) => put(table, row, undefined)))
      gone = gone.flatMap((parent) => childrenOf(parent.table, parent.row))
    }
  }

  function childrenOf(parent: string, row: RowText) {
    const key = tableOf(parent).form.keyColumns.map((column) => row[column])
    return [...tables].flatMap(([table, { parents, rows }]) =>
      parents
        .filter((foreign) => foreign.table === parent)
        .flatMap(({ columns }) =>
          [...rows.values()]
            .filter((child) => columns.every((column, at) => child[column] === key[at]))
            .map((child) => ({ table, row: child })),
        ),
    )
  }

  function* matching(name: string, where: Node | undefined): Generator<RowText> {
    const { rows, form } = tableOf(name)
    for (const row of rows.values()) if (!where || holds(where, row, form)) yield row
  }

  function holds(where: Node, row: RowText, form: TableForm): boolean {
    const { BoolExpr, A_Expr } = where
    if (BoolExpr?.boolop === 'AND_EXPR') {
      return BoolExpr.args.every((part: Node) => holds(part, row, form))
    }
    if (A_Expr?.name[0].String.sval !== '=') throw new BeyondMemory('WHERE')
    const name = columnName(A_Expr.lexpr)
    const type = form.columns.find((column) => column.name === name)?.type ?? ''
    const values = A_Expr.rexpr.List?.items ?? [A_Expr.rexpr]
    return values.some((value: Node) => asType(type, constant(value)) === row[name])
  }

  function condition(node: Node, params: readonly string[]): Condition {
    const { BoolExpr, A_Expr, SubLink, ColumnRef } = node
    if (ColumnRef) return where.eq(columnName(node), 'true')
    if (BoolExpr && BoolExpr.boolop !== 'NOT_EXPR') {
      const parts = BoolExpr.args.map((part: Node) => condition(part, params))
      return BoolExpr.boolop === 'AND_EXPR' ? where.and(...parts) : where.or(...parts)
    }
    if (A_Expr?.kind === 'AEXPR_OP' && A_Expr.name[0].String.sval === '=') {
      return where.eq(columnName(A_Expr.lexpr), String(constant(A_Expr.rexpr, params)))
    }
    if (SubLink?.subLinkType === 'ANY_SUBLINK') {
      const { targetList, fromClause, whereClause } = SubLink.subselect.SelectStmt
      return where.inArray(columnName(SubLink.testexpr), {
        table: fromClause[0].RangeVar.relname,
        select: columnName(targetList[0].ResTarget.val),
        where: whereClause ? condition(whereClause, params) : where.and(),
      })
    }
    throw new BeyondMemory(`WHERE ${Object.keys(node)}`)
  }

  return {
    commit(statements) {
      const changes: TableChange[] = []
      for (const sql of statements) run(sql, changes)
      lsn += 100n
      txid += 1
      return { txid: txid - 1, lsn, changes }
    },
    conditionOf({ where: clause, params, table }) {
      tableOf(table)
      if (clause === undefined) return where.and()
      const [select] = statementsOf(`SELECT FROM t WHERE ${clause}`)
      return condition(select?.SelectStmt.whereClause, params)
    },
    form: (table) => tables.get(table)?.form,
    *rowsOf(table) {
      yield* tables.get(table)?.rows.values() ?? []
    },
    lastLsn: () => lsn,
    nextTxid: () => txid,
  }
}

function isNotNull(constraints: readonly Node[]): boolean {
  return constraints.some(({ Constraint }) => Constraint.contype === 'CONSTR_NOTNULL')
}

/** A column, a constant, or a sum of two of them. */
function evaluate(node: Node, row: RowText, type: string): string | null {
  if (node.ColumnRef) return row[columnName(node)] ?? null
  const { A_Expr } = node
  if (A_Expr?.name[0].String.sval !== '+') return asType(type, constant(node))
  const [left, right] = [A_Expr.lexpr, A_Expr.rexpr].map((part) => evaluate(part, row, type))
  return String(Number(left) + Number(right))
}

function statementsOf(sql: string): Node[] {
  const tree = parser?.parseSync(sql) as unknown as {
    readonly stmts: readonly { readonly stmt: Node }[]
  }
  return tree.stmts.map(({ stmt }) => stmt)
}

function names(nodes: readonly Node[]): string[] {
  return nodes.map(({ String: text }) => text.sval)
}

function typeOf(typeName: Fields): string {
  const type = typeName.names.at(-1).String.sval
  if (TYPES.has(type) && !typeName.typmods && !typeName.arrayBounds) return type
  throw new BeyondMemory(`type ${type}`)
}

function columnName(node: Node): string {
  const field = node.ColumnRef?.fields[0].String?.sval
  if (field === undefined) throw new BeyondMemory(`not a column: ${Object.keys(node)}`)
  return field
}

function constant(node: Node, params: readonly string[] = []): string | number | boolean | null {
  if (node.ParamRef) return params[node.ParamRef.number - 1] ?? null
  const value = node.A_Const
  if (value?.isnull) return null
  if (value?.sval) return value.sval.sval ?? ''
  if (value?.ival) return value.ival.ival ?? 0
  if (value?.boolval) return value.boolval.boolval ?? false
  throw new BeyondMemory(`not a constant: ${Object.keys(node)}`)
}

function asType(type: string, value: string | number | boolean | null): string | null {
  if (value === null) return null
  return type === 'timestamptz' ? timestamptzText(new Date(String(value))) : String(value)
}
