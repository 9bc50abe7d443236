import { md5 } from './md5.ts'
import type { LogEntry } from './shape-log.ts'

/** A row as the wire has it: the text of each column, or null. */
export type RowText = Readonly<Record<string, string | null>>

/** Schema and name of a table. */
export type Relation = readonly [schema: string, table: string]

/** How much of a row updates and deletes carry. */
export type Replica = 'default' | 'full'

/** The table and columns of a shape's messages. */
export interface MessageShape {
  readonly relation: Relation
  /** Primary key columns, or all columns of a table without one. */
  readonly keyColumns: readonly string[]
  /** Columns sent to clients, in table order. */
  readonly columns: readonly string[]
  readonly replica: Replica
}

/**
 * The subquery conditions of a row. A where clause is a list of disjuncts, and each condition of each
 * disjunct has a position. Clients use tags to move rows in and out when the result of a subquery changes.
 */
export interface RowTags {
  /** One per disjunct, parts joined by `/`: a hashed subquery value, `1` for a plain condition, empty where
   * the position belongs to another disjunct. */
  readonly tags: readonly string[]
  /** Per position, whether its condition holds. */
  readonly active: readonly boolean[]
}

/** A row change from the shape's point of view: what its clients have to do. */
export type ShapeChange =
  | { readonly operation: 'insert'; readonly row: RowText; readonly tags?: RowTags }
  | { readonly operation: 'delete'; readonly row: RowText; readonly tags?: RowTags }
  | {
      readonly operation: 'update'
      readonly old: RowText
      readonly row: RowText
      readonly tags?: RowTags
      readonly oldTags?: RowTags
    }

/** The transaction of a change and its position there. */
export interface ChangePlace {
  readonly txid: number
  readonly lsn: bigint
  /** Twice the index of the change in the whole transaction. */
  readonly position: number
}

interface DraftMessage {
  key: string
  value: Record<string, string | null>
  old_value?: Record<string, string | null>
  headers: Record<string, unknown>
}

/** A message that can still become the last of its transaction. */
export interface DraftEntry {
  readonly offset: LogEntry['offset']
  readonly message: DraftMessage
}

/**
 * Returns the key of a row: `"schema"."table"/"value"/…`, with `/` in values doubled and `_` for null.
 *
 * @example
 * rowKey(['public', 'items'], ['id'], { id: 'a/b' }) // '"public"."items"/"a//b"'
 */
export function rowKey(relation: Relation, keyColumns: readonly string[], row: RowText): string {
  const [schema, table] = relation
  let key = `"${schema}"."${table}"`
  for (const column of keyColumns) {
    const value = row[column] ?? null
    key += value === null ? '/_' : `/"${value.replaceAll('/', '//')}"`
  }
  return key
}

/**
 * Turns one change of a shape into messages: one, two when the key changes, none when no column of the
 * shape changes.
 */
export function changeMessages(
  shape: MessageShape,
  change: ShapeChange,
  place: ChangePlace,
): DraftEntry[] {
  if (change.operation === 'insert') return [insertMessage(shape, place, change.row, change.tags)]
  if (change.operation === 'delete') return [deleteMessage(shape, place, change.row, change.tags)]
  const { old, row, tags, oldTags = tags } = change
  const oldKey = rowKey(shape.relation, shape.keyColumns, old)
  const newKey = rowKey(shape.relation, shape.keyColumns, row)
  if (oldKey !== newKey) {
    const second = { ...place, position: place.position + 1 }
    return [
      deleteMessage(shape, place, old, oldTags, { key_change_to: newKey }),
      insertMessage(shape, second, row, tags, { key_change_from: oldKey }),
    ]
  }
  const changed = shape.columns.filter((column) => old[column] !== row[column])
  return changed.length === 0 ? [] : [updateMessage(shape, place, change, changed)]
}

function insertMessage(
  shape: MessageShape,
  place: ChangePlace,
  row: RowText,
  tags?: RowTags,
  headers?: Record<string, unknown>,
): DraftEntry {
  const value = pick(row, shape.columns)
  return draft(shape, place, 'insert', row, value, { ...tagHeaders(tags), ...headers })
}

function deleteMessage(
  shape: MessageShape,
  place: ChangePlace,
  row: RowText,
  tags?: RowTags,
  headers?: Record<string, unknown>,
): DraftEntry {
  const value = pick(row, shape.replica === 'full' ? shape.columns : shape.keyColumns)
  return draft(shape, place, 'delete', row, value, { ...tagHeaders(tags), ...headers })
}

function updateMessage(
  shape: MessageShape,
  place: ChangePlace,
  { old, row, tags, oldTags }: ShapeChange & { operation: 'update' },
  changed: readonly string[],
): DraftEntry {
  const isFull = shape.replica === 'full'
  const sent = shape.columns.filter(
    (column) => isFull || changed.includes(column) || shape.keyColumns.includes(column),
  )
  const removed = oldTags?.tags.filter((tag) => !tags?.tags.includes(tag)) ?? []
  const headers = tags ? { ...tagHeaders(tags), removed_tags: removed } : {}
  const entry = draft(shape, place, 'update', row, pick(row, sent), headers)
  if (isFull) entry.message.old_value = pick(old, changed)
  return entry
}

function draft(
  shape: MessageShape,
  { lsn, position, txid }: ChangePlace,
  operation: string,
  row: RowText,
  value: Record<string, string | null>,
  headers: Record<string, unknown>,
): DraftEntry {
  return {
    offset: { tx: lsn, op: position },
    message: {
      key: rowKey(shape.relation, shape.keyColumns, row),
      value,
      headers: {
        operation,
        relation: shape.relation,
        lsn: String(lsn),
        op_position: position,
        txids: [txid],
        ...headers,
      },
    },
  }
}

/** Serialises the messages of one transaction and marks the last of them. */
export function finishTransaction(drafts: readonly DraftEntry[]): LogEntry[] {
  const last = drafts.at(-1)
  if (last) last.message.headers.last = true
  return drafts.map(({ offset, message }) => ({ offset, json: JSON.stringify(message) }))
}

/** Writes the message of a row that a query read: without transaction and position. */
export type RowWriter = (
  row: RowText,
  tags?: RowTags,
  extraHeaders?: Readonly<Record<string, unknown>>,
) => string

/** Creates a writer for the rows of a shape. */
export function createRowWriter(shape: MessageShape): RowWriter {
  const shared = { operation: 'insert', relation: shape.relation }
  const plainHeaders = JSON.stringify(shared)
  return (row, tags, extraHeaders) => {
    const key = JSON.stringify(rowKey(shape.relation, shape.keyColumns, row))
    const value = JSON.stringify(pick(row, shape.columns))
    const headers =
      tags || extraHeaders
        ? JSON.stringify({ ...shared, ...tagHeaders(tags), ...extraHeaders })
        : plainHeaders
    return `{"key":${key},"value":${value},"headers":${headers}}`
  }
}

/**
 * Hashes a subquery value for one shape, as tags and move events carry it.
 *
 * @param values the text of each compared column
 */
export function tagValue(handle: string, values: readonly (string | null)[]): string {
  const named = values.map((value) => (value === null ? 'NULL' : `v:${value}`))
  return md5(`${handle}${named.length === 1 ? named[0] : JSON.stringify(named)}`)
}

/** A hashed value that has become, or ceased to be, a member of the subquery at a position. */
export interface MovePattern {
  readonly pos: number
  readonly value: string
}

/**
 * Serialises the event that turns conditions of rows on (`move-in`) or off (`move-out`).
 *
 * @param txid the transaction that changed the subquery's table, if any
 */
export function moveEventMessage(
  event: 'move-in' | 'move-out',
  patterns: readonly MovePattern[],
  txid: number | undefined,
): string {
  const txids = txid === undefined ? [] : [txid]
  return JSON.stringify({ headers: { event, patterns, txids } })
}

/** Serialises the control message for a client that has everything up to an LSN. */
export function upToDateMessage(lsn: bigint): string {
  return `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lsn}"}}`
}

function tagHeaders(tags: RowTags | undefined): Record<string, unknown> {
  return tags ? { tags: tags.tags, active_conditions: tags.active } : {}
}

function pick(row: RowText, columns: readonly string[]): Record<string, string | null> {
  const value: Record<string, string | null> = {}
  for (const column of columns) value[column] = row[column] ?? null
  return value
}
