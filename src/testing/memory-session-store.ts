import { SessionDbError } from '../errors.ts'
import { LEGACY_ROWS, type WithLegacyRows } from '../legacy/adapters/legacy-rows.ts'
import { foldDeltas, type Principal } from '../schema/index.ts'
import { checkPrincipal } from '../server/http/authenticate.ts'
import { createRequestLimiters } from '../server/http/request-limits.ts'
import type { SessionStore } from '../server/store/create-session-store.ts'
import { createMemoryLegacyRows } from './memory-legacy-rows.ts'
import { readThreadInMemory, suggestTitleInMemory } from './memory-threads.ts'
import {
  abortUpload,
  createUpload,
  deriveUploadAgain,
  openUpload,
  receiveUpload,
  uploadState,
} from './memory-uploads.ts'
import { type MemoryUsage, readUsageInMemory, recordUsageInMemory } from './memory-usage.ts'
import { type MemoryContext, seesInMemory, writeInMemory } from './memory-writes.ts'
import { databaseOf, type ShapeMock } from './shape-mock.ts'
import { deltasOf, keyOf } from './tables.ts'

/**
 * Creates a session store over the mock's tables, for tests of server code without Postgres: the same
 * access rule, the same results, the same errors as `createSessionStore`, and `createLegacyStores` works
 * over it. Collections that read from the mock show what it writes.
 *
 * Timelines are derived before `uploadContent` resolves. `search`, `searchEvents`, `outlineTimeline`,
 * `timelineFacets`, `readEvent`, `readRows`, `listThreads`, `listSessions`, `forkThread`, `readFeedback` and
 * attachments need a database and throw `invalid`.
 *
 * @param mock its rows, and its `access`
 * @throws SessionDbError `invalid` if `mock` wasn't created by `createShapeMock`
 * @example
 * const store = createMemorySessionStore(createShapeMock({ electricUrl: 'http://app.test/api/shapes' }))
 * await store.createSession(principal, { id: 's1', title: 'run.jsonl' })
 */
export function createMemorySessionStore<P extends Principal = Principal>(
  mock: ShapeMock<P>,
): SessionStore<P> {
  const parts = databaseOf(mock)
  const usage: MemoryUsage = new Map()
  function contextOf(principal: Principal): MemoryContext {
    checkPrincipal(principal)
    return { ...parts, principal }
  }
  const store: SessionStore<P> & WithLegacyRows = {
    [LEGACY_ROWS]: (principal) => createMemoryLegacyRows({ ...parts, principal }),
    write: async (principal, batch, { messageRoles } = {}) =>
      writeInMemory({ ...contextOf(principal), messageRoles }, batch),
    async readMessage(principal, id) {
      const context = contextOf(principal)
      const { tenantId } = principal
      const { tables } = context.database
      const message = tables.chatMessages.get(keyOf({ tenantId, id }))
      if (message === undefined) return undefined
      const session = tables.sessions.get(keyOf({ tenantId, id: message.sessionId }))
      if (session === undefined || !seesInMemory(context, session)) return undefined
      return { ...message, ...foldDeltas(message, deltasOf(tables, message)) }
    },
    readThread: async (principal, id, request = {}) =>
      readThreadInMemory(contextOf(principal), id, request),
    async *threadMessages(principal, id, { branch } = {}) {
      const request = { last: Number.MAX_SAFE_INTEGER, ...(branch !== undefined && { branch }) }
      yield* readThreadInMemory(contextOf(principal), id, request)?.messages ?? []
    },
    listThreads: () => needsDatabase('listThreads'),
    listSessions: () => needsDatabase('listSessions'),
    forkThread: () => needsDatabase('forkThread'),
    suggestTitle: async (principal, suggestion) =>
      suggestTitleInMemory(contextOf(principal), suggestion),
    recordUsage: async (principal, call) => recordUsageInMemory(usage, contextOf(principal), call),
    readUsage: async (principal, request) =>
      readUsageInMemory(usage, contextOf(principal), request),
    readFeedback: () => needsDatabase('readFeedback'),
    createAttachment: () => needsDatabase('createAttachment'),
    receiveAttachment: () => needsDatabase('receiveAttachment'),
    attachmentState: () => needsDatabase('attachmentState'),
    openAttachment: () => needsDatabase('openAttachment'),
    deleteAttachment: () => needsDatabase('deleteAttachment'),
    createSession: async (principal, session) => createUpload(contextOf(principal), session),
    uploadContent: async (principal, sessionId, content, { offset } = {}) =>
      receiveUpload(contextOf(principal), sessionId, content, offset),
    uploadState: async (principal, sessionId) => uploadState(contextOf(principal), sessionId),
    abortUpload: async (principal, sessionId) => abortUpload(contextOf(principal), sessionId),
    deriveAgain: async (principal, sessionId) => deriveUploadAgain(contextOf(principal), sessionId),
    openContent: async (principal, sessionId, range) =>
      openUpload(contextOf(principal), sessionId, range),
    readEvent: () => needsDatabase('readEvent'),
    readRows: () => needsDatabase('readRows'),
    search: () => needsDatabase('search'),
    searchEvents: () => needsDatabase('searchEvents'),
    outlineTimeline: () => needsDatabase('outlineTimeline'),
    timelineFacets: () => needsDatabase('timelineFacets'),
    limiters: createRequestLimiters(false),
    startWorker: () => ({ stop: async () => {} }),
    close: async () => {},
  }
  return store
}

async function needsDatabase(name: string): Promise<never> {
  throw new SessionDbError(
    'invalid',
    `The store in memory has no ${name}. Test it with a database: \`npx session-db dev\` starts one.`,
  )
}
