import type { ChatMessageDeltaRow, ChatThreadRow, CollectionName } from '../../schema/index.ts'
import type { Rows } from '../rows.ts'
import type { AppRow } from './app-tables.ts'
import { checkInsert } from './constraints.ts'
import { foldStream } from './fold-stream.ts'
import { createMessageCounters } from './message-counters.ts'
import {
  childrenOf,
  deltaKeyOf,
  deltasOf,
  keyOf,
  messagesOf,
  type TableRows,
  type Tables,
} from './tables.ts'

/** One change of one row, in the order in which the database logs them. */
export type RowChange = {
  readonly [Name in keyof TableRows]: {
    readonly collection: Name
    readonly old: TableRows[Name] | undefined
    readonly row: TableRows[Name] | undefined
  }
}[keyof TableRows]

/** One change of one row in a table of the app's own. */
export interface AppRowChange {
  readonly appTable: string
  readonly old: AppRow | undefined
  readonly row: AppRow | undefined
}

/** INSERT, UPDATE and DELETE, with the constraints and triggers that the database has. */
export interface Transaction {
  /** What `now()` is, from its beginning to its end. */
  readonly now: Date
  readonly tables: Tables
  readonly changes: readonly (RowChange | AppRowChange)[]
  insert<Name extends CollectionName>(collection: Name, row: Rows[Name]): void
  update<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    changes: Partial<Rows[Name]>,
  ): Rows[Name]
  delete<Name extends CollectionName>(collection: Name, row: Rows[Name]): void
  /** Puts a delta of a streamed message in. */
  addDelta(row: ChatMessageDeltaRow): void
  /** Puts a row in place as it is: no trigger sees it. */
  load<Name extends CollectionName>(collection: Name, row: Rows[Name]): void
  /** Notes a change of a table of the app's own, which has neither constraints nor triggers here. */
  noteAppChange(change: AppRowChange): void
}

/** Begins a transaction that works on `tables` itself. */
export function beginTransaction(tables: Tables, now: Date): Transaction {
  const changes: (RowChange | AppRowChange)[] = []
  const counters = createMessageCounters(tables, (thread, counted) =>
    update('chatThreads', thread, counted),
  )

  function record<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name] | undefined,
    row: Rows[Name] | undefined,
  ): void {
    if (row) (tables[collection] as Map<string, Rows[Name]>).set(keyOf(row), row)
    else if (old) tables[collection].delete(keyOf(old))
    changes.push({ collection, old, row } as RowChange)
  }

  function addDelta(row: ChatMessageDeltaRow): void {
    tables.chatMessageDeltas.set(deltaKeyOf(row), row)
    changes.push({ collection: 'chatMessageDeltas', old: undefined, row })
  }

  function removeDeltas(message: Rows['chatMessages']): void {
    for (const delta of deltasOf(tables, message)) {
      tables.chatMessageDeltas.delete(deltaKeyOf(delta))
      changes.push({ collection: 'chatMessageDeltas', old: delta, row: undefined })
    }
  }

  function insert<Name extends CollectionName>(collection: Name, row: Rows[Name]): void {
    if (collection === 'chatThreads') archiveOthers(row as ChatThreadRow)
    checkInsert(tables, collection, row)
    record(collection, undefined, row)
    if (collection === 'chatMessages') counters.inserted(row as Rows['chatMessages'])
  }

  function update<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    given: Partial<Rows[Name]>,
  ): Rows[Name] {
    const row = touched(old, { ...old, ...given, ...folded(collection, old, given) })
    if (collection === 'chatThreads' && (old as ChatThreadRow).status !== 'active') {
      archiveOthers(row as ChatThreadRow)
    }
    record(collection, old, row)
    if (collection === 'chatMessages') {
      counters.updated(old as Rows['chatMessages'], row as Rows['chatMessages'])
    }
    return row
  }

  /** A message whose stream ends takes in its deltas. */
  function folded<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    given: Partial<Rows[Name]>,
  ): object {
    if (collection !== 'chatMessages') return {}
    const message = old as Rows['chatMessages']
    const changed = foldStream(tables, message, { ...message, ...given })
    if (changed !== undefined) removeDeltas(message)
    return changed ?? {}
  }

  /** Every update raises the version; a time of change that is given is kept. */
  function touched<Row extends Rows[CollectionName]>(old: Row, row: Row): Row {
    if (!('version' in old && 'updatedAt' in row)) return row
    const isTimeGiven = row.updatedAt.getTime() !== old.updatedAt.getTime()
    return { ...row, version: old.version + 1, updatedAt: isTimeGiven ? row.updatedAt : now }
  }

  /** At most one thread of a session and mode is active. */
  function archiveOthers(active: ChatThreadRow): void {
    if (active.status !== 'active') return
    for (const thread of tables.chatThreads.values()) {
      const isRival =
        thread.tenantId === active.tenantId &&
        thread.sessionId === active.sessionId &&
        thread.mode === active.mode &&
        thread.id !== active.id
      if (isRival && thread.status === 'active') {
        update('chatThreads', thread, { status: 'archived' })
      }
    }
  }

  function remove<Name extends CollectionName>(collection: Name, row: Rows[Name]): void {
    record(collection, row, undefined)
    if (collection === 'chatMessages') removeDeltas(row as Rows['chatMessages'])
    if (collection === 'sessions') removeChildren(row as Rows['sessions'])
    if (collection === 'chatThreads') removeMessages([row as ChatThreadRow])
    if (collection === 'chatMessages') counters.deleted(row as Rows['chatMessages'])
  }

  function removeChildren(session: Rows['sessions']): void {
    for (const event of childrenOf<'timelineEvents'>(tables.timelineEvents, session)) {
      record('timelineEvents', event, undefined)
    }
    const threads = childrenOf<'chatThreads'>(tables.chatThreads, session)
    for (const thread of threads) record('chatThreads', thread, undefined)
    removeMessages(threads)
  }

  function removeMessages(threads: readonly ChatThreadRow[]): void {
    for (const thread of threads) {
      for (const message of messagesOf(tables, thread)) {
        record('chatMessages', message, undefined)
        removeDeltas(message)
      }
    }
  }

  return {
    now,
    tables,
    changes,
    insert,
    update,
    delete: remove,
    addDelta,
    load: (collection, row) =>
      void (tables[collection] as Map<string, unknown>).set(keyOf(row), row),
    noteAppChange: (change) => void changes.push(change),
  }
}
