import type {
  Collection,
  MutationFnParams,
  PendingMutation,
  StandardSchema,
  TransactionWithMutations,
} from '@tanstack/db'
import { SessionDbError } from '../../errors.ts'
import { chatMessageInsertSchema, chatMessageUpdateSchema } from '../../schema/chat-message.ts'
import { chatThreadInsertSchema, chatThreadUpdateSchema } from '../../schema/chat-thread.ts'
import { sessionInsertSchema, sessionUpdateSchema } from '../../schema/session.ts'
import { sessionGrantInsertSchema, sessionGrantUpdateSchema } from '../../schema/session-grant.ts'
import {
  timelineEventInsertSchema,
  timelineEventUpdateSchema,
} from '../../schema/timeline-event.ts'
import { validate } from '../../schema/validate.ts'
import type { MutationInput } from '../../writes/batch.ts'
import { createId } from '../create-id.ts'
import { newRow } from '../optimistic/apply-mutations.ts'
import { isShowingOptimistic } from '../optimistic/optimistic-overlay.ts'
import { given, UNKNOWN } from '../optimistic/optimistic-rows.ts'
import { untilShown } from '../sync/confirm-write.ts'
import { type SyncStream, streamOf, type TableRef } from '../sync/sync-stream.ts'
import type { MutableOptions } from '../sync/synced-collection.ts'
import { untilSettled } from '../sync/tanstack-versions.ts'
import { type CommitContext, commitBatch, type Origin } from './commit-batch.ts'

/** The transaction ids that a handler's server function returned, to wait for in the stream. */
// biome-ignore lint/suspicious/noConfusingVoidType: most handlers that wrap the default return nothing.
export type HandlerResult = { readonly txid: number } | { readonly txids: readonly number[] } | void

/** The argument of a mutation handler. */
export interface HandlerParams<Row extends object> {
  /** TanStack DB's transaction, with the mutations to persist. */
  readonly transaction: TransactionWithMutations<Row>
  readonly collection: Collection<Row, string>
  /**
   * Persists the mutations as without this handler.
   *
   * @throws SessionDbError why the server refuses, or `invalid` for an app's own shape
   */
  next(): Promise<void>
}

export type MutationHandler<Row extends object> = (
  params: HandlerParams<Row>,
) => HandlerResult | Promise<HandlerResult>

/**
 * The handlers of one collection. Each replaces the default, or wraps it by calling `next`. If it
 * throws, the mutations are rolled back. If it returns transaction ids, they complete once the
 * collection has received those from the stream.
 */
export interface CollectionHandlers<Row extends object> {
  readonly onInsert?: MutationHandler<Row>
  readonly onUpdate?: MutationHandler<Row>
  readonly onDelete?: MutationHandler<Row>
}

/** Persists the mutations of a TanStack DB transaction over several collections. */
export interface PersistTransaction {
  <Row extends object>(params: MutationFnParams<Row>): Promise<void>
  /** The form of `createOptimisticAction`. */
  <Row extends object>(variables: unknown, params: MutationFnParams<Row>): Promise<void>
}

type AnyMutation = PendingMutation<Record<string, unknown>>
type AnyTransaction = TransactionWithMutations<Record<string, unknown>>
type AnyHandlers = CollectionHandlers<Record<string, unknown>>

const SCHEMAS = {
  sessions: { insert: sessionInsertSchema, update: sessionUpdateSchema },
  sessionGrants: { insert: sessionGrantInsertSchema, update: sessionGrantUpdateSchema },
  timelineEvents: { insert: timelineEventInsertSchema, update: timelineEventUpdateSchema },
  chatThreads: { insert: chatThreadInsertSchema, update: chatThreadUpdateSchema },
  chatMessages: { insert: chatMessageInsertSchema, update: chatMessageUpdateSchema },
}

/**
 * Makes collections writable by TanStack DB's `insert`, `update` and `delete`: their mutations become
 * one batch, like those of an action.
 *
 * @param context returns what committing depends on, which exists only after the collections do
 * @param handlers the app's `MutationHandlers`
 */
export function createNativeMutations(context: () => CommitContext, handlers: object) {
  const handlersOf = (name: string) =>
    (handlers as Readonly<Record<string, AnyHandlers>>)[name] ?? {}

  async function persist(
    transaction: AnyTransaction,
    mutations: readonly AnyMutation[],
  ): Promise<void> {
    const origins = mutations.map(originOf)
    const sessionOfThread = new Map(
      mutations.flatMap(({ modified: { threadId, sessionId } }) =>
        typeof sessionId === 'string' && sessionId !== UNKNOWN
          ? [[String(threadId), sessionId] as const]
          : [],
      ),
    )
    const settled = untilSettled(transaction)
    const write = commitBatch(context(), mutations.map(toInput), {
      sessionOfThread,
      origins,
      settled,
    })
    await write.committed
  }

  function handlerOf(name: string, type: AnyMutation['type']) {
    const { onInsert, onUpdate, onDelete } = handlersOf(name)
    return { insert: onInsert, update: onUpdate, delete: onDelete }[type]
  }

  /** Persists mutations of one collection and type, by the app's handler if there is one. */
  async function handle(
    transaction: AnyTransaction,
    mutations: readonly AnyMutation[],
  ): Promise<void> {
    const [{ collection, type }] = mutations as [AnyMutation, ...AnyMutation[]]
    const stream = streamOf(collection)
    const next = async () => {
      if (stream.table === undefined) throw noDefault(stream)
      await persist(transaction, mutations)
    }
    const handler = handlerOf(stream.table?.name ?? stream.shapeName, type)
    if (handler === undefined) return next()
    const part = Object.create(transaction, { mutations: { value: mutations } }) as AnyTransaction
    const result = await handler({
      transaction: mutations.length === transaction.mutations.length ? transaction : part,
      collection: collection as unknown as Collection<Record<string, unknown>, string>,
      next,
    })
    const txids = result === undefined ? [] : 'txid' in result ? [result.txid] : result.txids
    const { syncTimeoutMs: timeoutMs } = context()
    for (const txid of txids) {
      await untilShown(txid, new Map([[stream, []]]), { timeoutMs, graceMs: 0 }, () => {})
    }
  }

  const onDirect = ({ transaction }: { readonly transaction: unknown }) => {
    const direct = transaction as AnyTransaction
    // TanStack DB marks direct operations to keep their rows after completion until the next sync.
    // Here the stream has shown its own rows by then, which must not be hidden.
    direct.metadata = {}
    return handle(direct, direct.mutations)
  }

  const persistTransaction: PersistTransaction = async (...args: readonly unknown[]) => {
    const { transaction } = args.at(-1) as { readonly transaction: AnyTransaction }
    const byDefault: AnyMutation[] = []
    const byHandler = new Map<string, AnyMutation[]>()
    for (const mutation of transaction.mutations) {
      const { table, shapeName, collectionId } = streamOf(mutation.collection)
      if (table !== undefined && handlerOf(table.name, mutation.type) === undefined) {
        byDefault.push(mutation)
      } else {
        const key = `${mutation.type} ${collectionId} ${shapeName}`
        byHandler.set(key, [...(byHandler.get(key) ?? []), mutation])
      }
    }
    const parts = [...byHandler.values()].map((mutations) => handle(transaction, mutations))
    if (byDefault.length > 0) parts.push(persist(transaction, byDefault))
    await Promise.all(parts)
  }

  return {
    persistTransaction,
    /** Returns the options that make the collection of a table writable. */
    ofTable: (table: TableRef): MutableOptions => ({
      table,
      schema: (get) => rowSchema(table, get, context),
      handlers: { onInsert: onDirect, onUpdate: onDirect, onDelete: onDirect },
    }),
    /** Returns the options for an app's own shape: only what the app has handlers for is writable. */
    ofShape(name: string): MutableOptions {
      const { onInsert, onUpdate, onDelete } = handlersOf(name)
      return {
        handlers: {
          ...(onInsert && { onInsert: onDirect }),
          ...(onUpdate && { onUpdate: onDirect }),
          ...(onDelete && { onDelete: onDirect }),
        },
      }
    },
  }
}

function noDefault({ shape }: SyncStream): SessionDbError {
  return new SessionDbError(
    'invalid',
    `${shape} has no default for writes. Persist them in a handler: createSessionCollections({ handlers }).`,
  )
}

function originOf(mutation: AnyMutation): Origin {
  const { collection, original, modified, changes, type, optimistic } = mutation
  const key = String(mutation.key)
  return {
    stream: streamOf(collection),
    row: type === 'delete' ? (original as Record<string, unknown>) : modified,
    optimistic,
    repeat() {
      const isThere = collection.has(key)
      if (type === 'insert' && !isThere) collection.insert(modified)
      if (type === 'update' && isThere)
        collection.update(key, (row) => void Object.assign(row, changes))
      if (type === 'delete' && isThere) collection.delete(key)
    },
  }
}

/** Converts a mutation of a transaction to one of a batch, with the values that were set. */
function toInput(mutation: AnyMutation): MutationInput {
  const { type, changes, key, metadata } = mutation
  const { table } = streamOf(mutation.collection)
  const collection = table?.name
  const id = String(key)
  const { expectedVersion } = (metadata ?? {}) as { readonly expectedVersion?: number }
  const guard = expectedVersion === undefined ? {} : { expectedVersion }
  // The batch is validated before it is sent.
  return {
    insert: () => ({ collection, type, value: { ...scopeOf(table), ...changes, id } }),
    update: () => ({ collection, type, id, changes, ...guard }),
    delete: () => ({ collection, type, id, ...guard }),
  }[type]() as MutationInput
}

/** Returns the columns of a new row that are known from its collection. */
function scopeOf(table: TableRef | undefined): Readonly<Record<string, string>> {
  if (table === undefined) return {}
  const { name, params } = table
  const column = name === 'chatMessages' ? 'threadId' : 'sessionId'
  return params[column] === undefined ? {} : { [column]: params[column] }
}

/**
 * Creates the schema of a collection. It validates inserts and updates as the server does, completes
 * new rows with the database's defaults, and refuses columns that are not the client's.
 *
 * @param get returns the row of an id from the collection
 */
function rowSchema(
  table: TableRef,
  get: (id: string) => Record<string, unknown> | undefined,
  context: () => CommitContext,
): StandardSchema<Record<string, unknown>> {
  const { insert, update } = SCHEMAS[table.name]
  const scope = scopeOf(table)
  // Rows of one call are validated before the first of them is in the collection.
  const positions = new Map<string, number>()

  function completeRow(input: Record<string, unknown>): Record<string, unknown> {
    const { live, identity } = context()
    const mutation = { collection: table.name, type: 'insert', value: input } as MutationInput
    const sessionOfThread = new Map(
      table.params.sessionId === undefined
        ? []
        : [[String(input.threadId), table.params.sessionId] as const],
    )
    const row = newRow(mutation, { live, identity, now: new Date(), sessionOfThread })
    if (table.name !== 'chatMessages') return row
    const threadId = String(input.threadId)
    const position = Math.max(Number(row.position), (positions.get(threadId) ?? 0) + 1)
    if (positions.size === 0) queueMicrotask(() => positions.clear())
    positions.set(threadId, position)
    return { ...row, position }
  }

  return {
    '~standard': {
      version: 1,
      vendor: 'session-db',
      validate(value) {
        const row = value as Record<string, unknown>
        // The library's own optimistic rows contain columns that only the server sets.
        if (isShowingOptimistic()) return { value: row }
        const existing = 'tenantId' in row ? get(String(row.id)) : undefined
        if (existing === undefined) {
          const input: Record<string, unknown> = { id: createId(), ...scope, ...row }
          const other = Object.entries(scope).find(([column, known]) => input[column] !== known)
          if (other !== undefined) {
            const [column, known] = other
            return {
              issues: [{ message: `must be '${known}' in this collection`, path: [column] }],
            }
          }
          const parsed = validate(insert, input)
          return parsed.success ? { value: completeRow(input) } : issuesOf(parsed.error.issues)
        }
        const changes = Object.fromEntries(
          Object.entries(row).filter(
            ([column, entry]) => !column.startsWith('$') && entry !== existing[column],
          ),
        )
        const parsed = validate(update, changes)
        return parsed.success
          ? { value: { ...row, ...given(changes) } }
          : issuesOf(parsed.error.issues)
      },
    },
  }
}

interface Issue {
  readonly code?: string | undefined
  readonly keys?: readonly string[]
  readonly message: string
  readonly path: readonly PropertyKey[]
}

function issuesOf(issues: readonly object[]) {
  return {
    issues: (issues as readonly Issue[]).flatMap(({ code, keys = [], message, path }) =>
      code === 'unrecognized_keys' && path.length === 0
        ? keys.map((key) => ({ message: `${key} cannot be set by a client`, path: [key] }))
        : [{ message, path }],
    ),
  }
}
