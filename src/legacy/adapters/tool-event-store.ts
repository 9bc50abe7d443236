import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { storableObject } from '../import/record-fields.ts'
import type { LegacyMode } from '../import/records.ts'
import {
  isoTime,
  type LegacyContext,
  type LegacyToolEventStatus,
  type RecordsOf,
  VISIBLE,
} from './store-records.ts'
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

/** A message of role `tool`: its only part is the call, the other fields are in its metadata. */
interface ToolRow {
  readonly id: string
  readonly sessionId: string
  readonly threadId: string
  readonly toolName: string
  readonly part: JsonObject
  readonly metadata: JsonObject
  readonly createdAt: string
}

const TOOL_EVENTS = `
  SELECT m.id, m.session_id AS "sessionId", m.thread_id AS "threadId", m.content AS "toolName",
    CASE WHEN jsonb_typeof(m.parts -> 0) = 'object' THEN m.parts -> 0 ELSE '{}' END AS part,
    m.metadata, ${isoTime('m.created_at')} AS "createdAt"
  FROM chat_messages m
  JOIN sessions s ON s.tenant_id = m.tenant_id AND s.id = m.session_id
  WHERE ${VISIBLE} AND m.role = 'tool'`

/** The old store of tool events, which are stored as messages of role `tool`. */
export function createToolEventStore<R>(
  context: LegacyContext,
  threads: Pick<ThreadStore<R>, 'activeThreadId'>,
) {
  type ToolEvent = RecordsOf<R>['toolEvent']
  const { database, principal, ids, write } = context

  async function select(where: string, ...values: unknown[]): Promise<ToolRow[]> {
    const { rows } = await database.query<ToolRow>(
      `${TOOL_EVENTS} AND ${where}
       ORDER BY coalesce(m.metadata ->> 'startedAt', ${isoTime('m.created_at')}), m.thread_id, m.position`,
      [principal.tenantId, principal.userId, ...values],
    )
    return rows.map((row) => ({ ...row, sessionId: ids.original(row.sessionId) }))
  }

  async function requireRow(id: string): Promise<ToolRow> {
    const [found] = await select('m.id = $3', id)
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
      const rows = await select('m.session_id = $3', ids.stored(sessionId))
      return rows.map(toRecord) as ToolEvent[]
    },
    async listChatToolEventsByThread(threadId: string): Promise<ToolEvent[]> {
      return (await select('m.thread_id = $3', threadId)).map(toRecord) as ToolEvent[]
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
      const rows =
        sessionId === undefined
          ? await select('(m.author_id = $2 OR s.owner_id = $2)')
          : await select('m.session_id = $3', ids.stored(sessionId))
      await deleteRows(
        context,
        'chatMessages',
        rows.map(({ id }) => id),
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
