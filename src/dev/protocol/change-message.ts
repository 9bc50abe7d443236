import type { LogEntry } from './change-log.ts'
import type { RowTags } from './move-tags.ts'
import { type Relation, type RowText, rowKey } from './row-key.ts'

/** How much of a row updates and deletes carry. */
export type Replica = 'default' | 'full'

/** What the messages of a shape look like. */
export interface MessageShape {
  readonly relation: Relation
  /** Primary key columns, or all columns of a table without one. */
  readonly keyColumns: readonly string[]
  /** Columns the client gets, in table order. */
  readonly columns: readonly string[]
  readonly replica: Replica
}

/** A row change as one shape sees it: already an insert, update or delete for its clients. */
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

/** Where a change stands: its transaction and its place in it. */
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

/** A message whose `last` header is not known yet. */
export interface DraftEntry {
  readonly offset: LogEntry['offset']
  readonly message: DraftMessage
}

/**
 * Turns one change of a shape into messages: one, or two for an update that changes the key.
 *
 * @returns nothing for an update that changes no column of the shape.
 * @example
 * changeMessages(shape, { operation: 'delete', row }, { txid: 7, lsn: 42n, position: 0 })
 */
export function changeMessages(
  shape: MessageShape,
  change: ShapeChange,
  place: ChangePlace,
): DraftEntry[] {
  const draft = drafter(shape, place)
  if (change.operation === 'insert') return [draft.insert(change.row, change.tags)]
  if (change.operation === 'delete') return [draft.delete(change.row, change.tags)]
  const oldKey = rowKey(shape.relation, shape.keyColumns, change.old)
  const newKey = rowKey(shape.relation, shape.keyColumns, change.row)
  if (oldKey !== newKey) {
    return [
      draft.delete(change.old, change.oldTags ?? change.tags, { key_change_to: newKey }),
      draft.insert(change.row, change.tags, { key_change_from: oldKey }, 1),
    ]
  }
  const changed = shape.columns.filter((column) => change.old[column] !== change.row[column])
  if (changed.length === 0) return []
  return [draft.update(change, changed)]
}

/**
 * Completes the messages of one transaction: the last of them says so.
 *
 * @example
 * log.append(finishTransaction(drafts))
 */
export function finishTransaction(drafts: readonly DraftEntry[]): LogEntry[] {
  const last = drafts.at(-1)
  if (last) last.message.headers.last = true
  return drafts.map(({ offset, message }) => ({ offset, json: JSON.stringify(message) }))
}

/** Writes the messages of rows that queries read: no transaction, no position. */
export type RowWriter = (
  row: RowText,
  tags?: RowTags,
  extraHeaders?: Readonly<Record<string, unknown>>,
) => string

/**
 * A writer for the rows of a shape. Snapshots have many rows: what they share is written once.
 *
 * @example
 * createRowWriter(shape)({ id: '1', title: 'one' })
 */
export function createRowWriter(shape: MessageShape): RowWriter {
  const columns = shape.columns.map((name) => ({ name, json: JSON.stringify(name) }))
  const shared = { operation: 'insert', relation: shape.relation }
  const plainHeaders = JSON.stringify(shared)
  return (row, tags, extraHeaders) => {
    let value = ''
    for (const { name, json } of columns) {
      const text = row[name] ?? null
      value += `${value === '' ? '' : ','}${json}:${text === null ? 'null' : JSON.stringify(text)}`
    }
    const key = JSON.stringify(rowKey(shape.relation, shape.keyColumns, row))
    const headers =
      tags || extraHeaders
        ? JSON.stringify({ ...shared, ...tagHeaders(tags), ...extraHeaders })
        : plainHeaders
    return `{"key":${key},"value":{${value}},"headers":${headers}}`
  }
}

/**
 * The message of a single row that a query read; `createRowWriter` is for many.
 *
 * @param extraHeaders - e.g. `{ is_move_in: true }`.
 * @example
 * rowMessage(shape, { id: '1', title: 'one' })
 */
export function rowMessage(
  shape: MessageShape,
  row: RowText,
  tags?: RowTags,
  extraHeaders?: Readonly<Record<string, unknown>>,
): string {
  return createRowWriter(shape)(row, tags, extraHeaders)
}

function drafter(shape: MessageShape, place: ChangePlace) {
  const entry = (
    operation: string,
    row: RowText,
    value: Record<string, string | null>,
    headers: Record<string, unknown>,
    step = 0,
  ): DraftEntry => ({
    offset: { tx: place.lsn, op: place.position + step },
    message: {
      key: rowKey(shape.relation, shape.keyColumns, row),
      value,
      headers: {
        operation,
        relation: shape.relation,
        lsn: String(place.lsn),
        op_position: place.position + step,
        txids: [place.txid],
        ...headers,
      },
    },
  })
  return {
    insert(row: RowText, tags?: RowTags, headers: Record<string, unknown> = {}, step = 0) {
      const all = { ...tagHeaders(tags), ...headers }
      return entry('insert', row, pick(row, shape.columns), all, step)
    },
    delete(row: RowText, tags?: RowTags, headers: Record<string, unknown> = {}) {
      const columns = shape.replica === 'full' ? shape.columns : shape.keyColumns
      return entry('delete', row, pick(row, columns), { ...tagHeaders(tags), ...headers })
    },
    update(change: ShapeChange & { operation: 'update' }, changed: readonly string[]) {
      const full = shape.replica === 'full'
      const columns = full
        ? shape.columns
        : shape.columns.filter((c) => changed.includes(c) || shape.keyColumns.includes(c))
      const { tags, oldTags } = change
      const removed = oldTags?.tags.filter((tag) => !tags?.tags.includes(tag)) ?? []
      const headers = tags ? { ...tagHeaders(tags), removed_tags: removed } : {}
      const result = entry('update', change.row, pick(change.row, columns), headers)
      if (full) result.message.old_value = pick(change.old, changed)
      return result
    },
  }
}

function tagHeaders(tags: RowTags | undefined): Record<string, unknown> {
  return tags ? { tags: tags.tags, active_conditions: tags.active } : {}
}

function pick(row: RowText, columns: readonly string[]): Record<string, string | null> {
  const value: Record<string, string | null> = {}
  for (const column of columns) value[column] = row[column] ?? null
  return value
}
