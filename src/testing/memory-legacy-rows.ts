import { SessionDbError } from '../errors.ts'
import type {
  LegacyRows,
  MessageFilter,
  MessageRow,
  ThreadFilter,
  UploadChanges,
} from '../legacy/adapters/legacy-rows.ts'
import type { JsonObject } from '../schema/fields.ts'
import { setContent } from './memory-uploads.ts'
import { type MemoryContext, seesInMemory } from './memory-writes.ts'
import { childrenOf, keyOf, messagesOf, type Rows } from './tables.ts'

type Session = Rows['sessions']
type Thread = Rows['chatThreads']
type Message = Rows['chatMessages']
type Mode = 'session' | 'general'

/**
 * The rows of the drop-in functions over the mock's tables. Twin of legacy/adapters/sql-rows.ts; the
 * parity test compares the two.
 */
export function createMemoryLegacyRows(context: MemoryContext): LegacyRows {
  const { database, principal, uploads } = context
  const { tenantId, userId } = principal
  const session = (id: string) => database.tables.sessions.get(keyOf({ tenantId, id }))
  const thread = (id: string) => database.tables.chatThreads.get(keyOf({ tenantId, id }))
  const isVisible = (id: string) => {
    const found = session(id)
    return found !== undefined && seesInMemory(context, found)
  }

  const threads = ({ id, sessionId, mode }: ThreadFilter): Thread[] =>
    [...database.tables.chatThreads.values()].filter(
      (row) =>
        row.tenantId === tenantId &&
        isEqual(row.id, id) &&
        isEqual(row.sessionId, sessionId) &&
        isEqual(row.mode, mode) &&
        isVisible(row.sessionId),
    )

  const messages = ({ id, threadId, sessionId, mode, isOwn }: MessageFilter): Message[] =>
    [...database.tables.chatMessages.values()].filter(
      (row) =>
        row.tenantId === tenantId &&
        isEqual(row.id, id) &&
        isEqual(row.threadId, threadId) &&
        isEqual(row.sessionId, sessionId) &&
        isEqual(thread(row.threadId)?.mode, mode) &&
        (!isOwn || row.authorId === userId || session(row.sessionId)?.ownerId === userId) &&
        isVisible(row.sessionId),
    )

  function ownSession(id: string): Session {
    const found = session(id)
    if (found?.ownerId === userId) return found
    throw new SessionDbError('forbidden', 'Only the owner of an upload can replace its content.')
  }

  return {
    isVisible: async (sessionId) => isVisible(sessionId),
    isOwner: async (sessionId) => session(sessionId)?.ownerId === userId,
    threads: async (filter) =>
      threads(filter)
        .sort(
          by<Thread>(
            ({ updatedAt }) => -updatedAt.getTime(),
            ({ createdAt }) => -createdAt.getTime(),
            ({ id }) => id,
          ),
        )
        .map((row) => ({
          ...{ id: row.id, sessionId: row.sessionId, title: row.title, status: row.status },
          mode: row.mode as Mode,
          messageCount:
            row.messageCount -
            messagesOf(database.tables, row).filter(({ role }) => role === 'tool').length,
          lastMessagePreview: row.lastMessagePreview as string,
          lastMessageAt: (row.lastMessageAt?.toISOString() ?? null) as string,
          createdAt: row.createdAt.toISOString(),
          updatedAt: row.updatedAt.toISOString(),
        })),
    threadStates: async (filter) =>
      threads(filter).map(({ id, status }) => ({ id, isActive: status === 'active' })),
    messages: async (filter) =>
      messages(filter)
        .filter(({ role }) => role !== 'tool')
        .sort(
          by<Message>(
            (row) => row.sessionId,
            (row) => row.threadId,
            (row) => row.position,
          ),
        )
        .map((row) => {
          const { misalignmentId = null, evidence = null, contextEvents = null } = row.metadata
          const { id, sessionId, threadId, role, content, clientMessageId, metadata, version } = row
          const times = {
            createdAt: row.createdAt.toISOString(),
            updatedAt: row.updatedAt.toISOString(),
          }
          const mode = thread(threadId)?.mode
          return {
            ...{ id, sessionId, mode, threadId, role, content, clientMessageId },
            ...{ misalignmentId, evidence, contextEvents, ...times, metadata, version },
          } as MessageRow
        }),
    toolEvents: async (filter) =>
      messages(filter)
        .filter(({ role }) => role === 'tool')
        .sort(
          by<Message>(
            ({ metadata, createdAt }) => String(metadata.startedAt ?? createdAt.toISOString()),
            (row) => row.threadId,
            (row) => row.position,
          ),
        )
        .map((row) => ({
          ...{ id: row.id, sessionId: row.sessionId, threadId: row.threadId },
          ...{ toolName: row.content, metadata: row.metadata as JsonObject },
          part: objectOr(row.parts[0]),
          createdAt: row.createdAt.toISOString(),
        })),
    uploads: async ({ id, originalName, sourcePath, source, isOwn }) =>
      [...database.tables.sessions.values()]
        .filter(
          (row) =>
            row.tenantId === tenantId &&
            row.contentSha256 !== null &&
            isEqual(row.id, id) &&
            isEqual(row.originalName, originalName) &&
            isEqual(row.sourcePath, sourcePath) &&
            isEqual(row.source, source) &&
            (!isOwn || row.ownerId === userId) &&
            seesInMemory(context, row),
        )
        .sort(
          by<Session>(
            ({ ownerId }) => (ownerId === userId ? 0 : 1),
            ({ createdAt }) => createdAt.getTime(),
            (row) => row.id,
          ),
        )
        .map((row) => ({
          ...{ id: row.id, originalName: row.originalName ?? row.title, format: row.format },
          ...{ createdAt: row.createdAt.toISOString(), upload: row.metadata.upload ?? null },
          ...{ size: Number(row.contentBytes), source: row.source as 'upload' },
          ...{ sourcePath: row.sourcePath as string, repoLabel: row.repoLabel as string },
          ...{ repoMeta: row.repo as JsonObject, workspaceRoot: row.workspaceRoot as string },
          isOwn: row.ownerId === userId,
        })),
    async replaceContent(sessionId, content, { upload, ...changes }: UploadChanges = {}) {
      const old = ownSession(sessionId)
      const { sourcePath, originalName, repoLabel, repoMeta } = changes
      const columns = {
        sourcePath: sourcePath ?? old.sourcePath,
        originalName: originalName ?? old.originalName,
        repoLabel: repoLabel ?? old.repoLabel,
        repo: (repoMeta ?? old.repo) as Session['repo'],
        metadata: { ...old.metadata, upload: { ...objectOr(old.metadata.upload), ...upload } },
      }
      const stored = uploads.get(keyOf(old))
      const isSame = stored?.step === 'done' && isEqualBytes(stored.bytes, content)
      if (isSame) {
        database.transaction((transaction) => transaction.update('sessions', old, columns))
        return
      }
      const storedAt = new Date().toISOString()
      const metadata = { ...columns.metadata, upload: { ...columns.metadata.upload, storedAt } }
      await setContent(context, sessionId, Uint8Array.from(content), { ...columns, metadata })
    },
    async emptySessionsWithChats(sessionIds) {
      const kept = sessionIds.filter((id) => {
        const found = session(id)
        if (found?.ownerId !== userId) return false
        return childrenOf<'chatThreads'>(database.tables.chatThreads, found).length > 0
      })
      database.transaction((transaction) => {
        for (const id of kept) {
          const found = ownSession(id)
          uploads.delete(keyOf(found))
          for (const event of childrenOf<'timelineEvents'>(
            transaction.tables.timelineEvents,
            found,
          )) {
            transaction.delete('timelineEvents', event)
          }
          const { upload: _, ...metadata } = found.metadata
          transaction.update('sessions', found, {
            ...{ contentRef: null, contentSha256: null, contentBytes: null, sourcePath: null },
            ...{ eventCount: 0, metadata: { ...metadata, stub: true } },
          })
        }
      })
      return kept
    },
  }
}

function isEqual(value: unknown, wanted: string | undefined): boolean {
  return wanted === undefined || value === wanted
}

function objectOr(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {}
}

function isEqualBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

/** Compares by several keys, the most important first. */
function by<Row>(...keys: readonly ((row: Row) => string | number)[]) {
  return (one: Row, other: Row): number => {
    for (const key of keys) {
      const [left, right] = [key(one), key(other)]
      if (left !== right) return left < right ? -1 : 1
    }
    return 0
  }
}
