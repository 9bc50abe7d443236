import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { storableObject } from '../import/record-fields.ts'
import type { LegacyMode } from '../import/records.ts'
import type { LegacyContext } from './context.ts'
import type { MessageFilter, ToolRow } from './legacy-rows.ts'
import type { LegacyToolEventStatus, RecordsOf } from './records.ts'
import { deleteRows, type ThreadStore } from './thread-store.ts'

/** The input of `appendChatToolEvent`. */
export interface LegacyToolEventInput {
  readonly id?: string | undefined
  readonly sessionId: string
  /** The active thread of the session by default. */
  readonly threadId?: string | null | undefined
  readonly toolCallId?: string | null | undefined
  readonly toolName: string
  readonly arguments: unknown
  /** `executing` by default. */
  readonly status?: LegacyToolEventStatus | undefined
  readonly startedAt?: string | undefined
  readonly completedAt?: string | undefined
  readonly latencyMs?: number | undefined
  readonly result?: unknown
  readonly error?: string | undefined
  readonly contextEvents?: readonly object[] | undefined
}

/** The old store of tool events, which are stored as messages of role `tool`. */
export function createToolEventStore<R>(
  context: LegacyContext,
  threads: Pick<ThreadStore<R>, 'activeThreadId'>,
) {
  type ToolEvent = RecordsOf<R>['toolEvent']
  const { rows, ids, write } = context

  async function select(filter: MessageFilter): Promise<ToolRow[]> {
    const found = await rows.toolEvents(filter)
    return found.map((row) => ({ ...row, sessionId: ids.original(row.sessionId) }))
  }

  async function requireRow(id: string): Promise<ToolRow> {
    const [found] = await select({ id })
    if (!found) throw new SessionDbError('not_found', `There is no tool event ${id}.`)
    return found
  }

  async function appendChatToolEvent(
    input: LegacyToolEventInput,
    mode: LegacyMode = 'session',
  ): Promise<ToolEvent> {
    const threadId = input.threadId ?? (await threads.activeThreadId(input.sessionId, mode))
    const { status = 'executing', startedAt = new Date().toISOString(), completedAt } = input
    const { latencyMs, contextEvents, toolName } = input
    const id = input.id ?? `tool_${randomUUID()}`
    const other = { status, startedAt, completedAt, latencyMs, contextEvents }
    const value = {
      ...{ id, threadId, role: 'tool', content: toolName, metadata: storable(other) },
      parts: [toolPart({ ...input, toolCallId: input.toolCallId ?? id })],
    }
    await write({ collection: 'chatMessages', type: 'insert', value })
    return toRecord(await requireRow(id)) as ToolEvent
  }

  return {
    async listChatToolEvents(sessionId: string): Promise<ToolEvent[]> {
      const found = await select({ sessionId: ids.stored(sessionId) })
      return found.map(toRecord) as ToolEvent[]
    },
    async listChatToolEventsByThread(threadId: string): Promise<ToolEvent[]> {
      return (await select({ threadId })).map(toRecord) as ToolEvent[]
    },
    appendChatToolEvent,
    insertChatToolEvent: appendChatToolEvent,
    /** Stores the outcome of a tool call. */
    async updateChatToolEventStatus(
      id: string,
      status: LegacyToolEventStatus,
      { result, error }: { readonly result?: unknown; readonly error?: string | undefined } = {},
    ): Promise<ToolEvent> {
      const row = await requireRow(id)
      const completedAt = new Date().toISOString()
      const { startedAt = row.createdAt } = row.metadata
      const latencyMs = Date.parse(completedAt) - Date.parse(String(startedAt))
      const { toolName, part } = row
      const call = { toolName, toolCallId: part.toolCallId, arguments: part.input }
      const changes = {
        parts: [toolPart({ ...call, result, error })],
        metadata: storable({ ...row.metadata, status, startedAt, completedAt, latencyMs }),
      }
      await write({ collection: 'chatMessages', type: 'update', id, changes })
      return toRecord(await requireRow(id)) as ToolEvent
    },
    /** Deletes the tool events of a session, or of all sessions that the user owns. */
    async clearChatToolEvents(sessionId?: string): Promise<void> {
      const filter =
        sessionId === undefined ? { isOwn: true as const } : { sessionId: ids.stored(sessionId) }
      const found = await select(filter)
      await deleteRows(
        context,
        'chatMessages',
        found.map(({ id }) => id),
      )
    },
  }
}

function toolPart(call: {
  readonly toolName: string
  readonly toolCallId: unknown
  readonly arguments?: unknown
  readonly result?: unknown
  readonly error?: string | undefined
}): JsonObject {
  const outcome =
    call.error !== undefined
      ? { state: 'output-error', errorText: call.error }
      : call.result !== undefined && call.result !== null
        ? { state: 'output-available', output: call.result }
        : { state: 'input-available' }
  const { toolName, toolCallId } = call
  const input = call.arguments ?? {}
  return storable({ type: 'dynamic-tool', toolName, toolCallId, input, ...outcome })
}

/** Copies a value without undefined, and without characters that Postgres cannot store. */
function storable(value: object): JsonObject {
  const json = JSON.parse(JSON.stringify(value)) as Record<string, unknown>
  return storableObject(json, { onReplaced: () => {}, onInexact: () => {} })
}

function toRecord({ id, sessionId, threadId, toolName, part, metadata, createdAt }: ToolRow) {
  return {
    ...{ status: 'executing', startedAt: createdAt, ...metadata, id, sessionId, threadId },
    ...{ toolName, toolCallId: part.toolCallId === id ? null : (part.toolCallId ?? null) },
    arguments: part.input,
    ...(part.output !== undefined && { result: part.output }),
    ...(part.errorText !== undefined && { error: part.errorText }),
  }
}
