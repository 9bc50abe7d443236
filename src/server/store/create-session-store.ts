import { defaultAccess, type SessionAccess } from '../../access/access.ts'
import type { RowOf } from '../../schema/columns.ts'
import type { ChatMessage, Principal } from '../../schema/index.ts'
import type { ShapeRows } from '../../shapes/shape-rows.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import { withOwnParsers } from '../../timeline/parsers.ts'
import type { FindSecrets } from '../../timeline/secrets.ts'
import { parseWriteBatch } from '../../writes/batch.ts'
import { checkLimits, defaultLimits, type WriteLimits } from '../../writes/limits.ts'
import type { WriteResult } from '../../writes/result.ts'
import { checkPrincipal } from '../http/authenticate.ts'
import {
  createRequestLimiters,
  type RequestLimiters,
  type RequestLimits,
} from '../http/request-limits.ts'
import {
  type EventHits,
  type EventSearch,
  type SearchHits,
  type SessionSearch,
  search,
} from '../search/search.ts'
import {
  type OutlineRequest,
  outlineTimeline,
  type TimelineFacets,
  type TimelineOutline,
  timelineFacets,
} from '../search/timeline-outline.ts'
import { createAttachments, type SessionAttachments } from '../uploads/attachments.ts'
import type { ContentStore } from '../uploads/content/content-store.ts'
import { createContentStores } from '../uploads/content/postgres-content-store.ts'
import { createUploads, type SessionUploads } from '../uploads/create-uploads.ts'
import {
  defaultUploadLimits,
  type UploadContext,
  type UploadLimits,
} from '../uploads/upload-state.ts'
import type { WriteOptions } from '../write-handler.ts'
import { earlierResult, hashOf } from './applied-batches.ts'
import { applyBatch } from './apply.ts'
import { openDatabase, type StoreDatabase } from './drivers.ts'
import { fromDatabaseError } from './errors.ts'
import { type ForkedThread, forkThread, type ThreadFork } from './fork-thread.ts'
import { createPolicy } from './policy.ts'
import { createPreparer } from './prepared-statements.ts'
import { MAX_ROWS, type ReadRowsRequest, readRows, type SessionShapes } from './read-rows.ts'
import {
  type FeedbackPage,
  type FeedbackRequest,
  listSessions,
  listThreads,
  type Reading,
  readFeedback,
  readMessage,
  readThread,
  type SessionList,
  type SessionListRequest,
  type ThreadList,
  type ThreadListRequest,
  type ThreadPage,
  type ThreadRequest,
  threadMessages,
} from './reading.ts'
import { countRedactions, redactEvents } from './redact-events.ts'
import { createSessionActivity } from './session-activity.ts'
import { createStatements } from './statements.ts'
import { withParts } from './store-parts.ts'
import { suggestTitle, type TitleSuggestion } from './suggest-title.ts'
import {
  type MessageUsage,
  readUsage,
  recordUsage,
  type UsageRequest,
  type UsageSum,
} from './usage.ts'

export interface SessionStoreOptions<P extends Principal = Principal> {
  /**
   * A connection string, from which the store creates its own pool (install `pg`), or the app's
   * client: a `Pool` of `pg`, the `sql` of postgres.js, or a Kysely instance over any Postgres dialect.
   * A batch of one mutation is one round trip, or three with Kysely. A batch of several is three round
   * trips with the store's own pool and with a pool created with `pipeline: true`, and four or five
   * with postgres.js. With the others it is one per mutation (or per run of new messages in a thread)
   * and four more. Uploads need `pg`.
   */
  readonly database: StoreDatabase
  /**
   * False sends statements unprepared, for poolers that give each transaction another connection.
   * Default: statements are prepared until such a pooler rejects one, and unprepared from then on.
   * Kysely never prepares.
   */
  readonly prepare?: boolean
  /** The access rule, from `createAccess`. Give the same one to the shapes. */
  readonly access?: SessionAccess<P>
  /**
   * Defaults: 1 MiB per message in a batch, 8 MiB and 500 mutations per batch; 8 MiB and 20,000 deltas
   * per streamed message.
   */
  readonly limits?: Partial<WriteLimits>
  /**
   * Limits of the requests of one principal in this process; false for none. Beyond them requests are
   * refused with `rate_limited`, before the database is touched. Defaults: 50 mutations, 50 reads, 10 searches,
   * and 20 requests each of uploads and of contents per second.
   */
  readonly requestLimits?: Partial<RequestLimits> | false
  /**
   * Postgres cancels statements that run longer, in ms; 0 for no limit. Default 60,000. On a client passed as
   * `database`, a single statement is sent in a transaction that sets the limit. To save that, set
   * `statement_timeout` on the client: then its own limit applies.
   */
  readonly statementTimeoutMs?: number
  /**
   * Where the bytes of sessions are stored. Default: in the database. The first of several stores takes
   * new contents, and the others stay readable.
   */
  readonly contents?: ContentStore | readonly ContentStore[]
  /**
   * The app's own parsers of logs, tried before the built-in ones. When a parser's version rises, the
   * worker derives its timelines again. Give all processes the same ones.
   */
  readonly parsers?: readonly TimelineParser[]
  /**
   * Finds secrets in logs and in timeline events. They are masked before they are stored, and counted in
   * the session's `redactions`. `findSecrets` finds common ones. Default: nothing is masked.
   */
  readonly redact?: FindSecrets
  /** Defaults: 512 MiB per upload, and timelines of up to 4 MiB derived immediately. */
  readonly uploads?: Partial<UploadLimits>
  /**
   * Called with failures in the background. Users see such a failure only as the status of their
   * session. Default `console.error`.
   */
  readonly onError?: (error: unknown) => void
}

/** Changes and reads rows on behalf of users. */
export interface SessionStore<P extends Principal = Principal>
  extends SessionUploads<P>,
    SessionAttachments<P> {
  /**
   * The limits of `requestLimits`. The store applies them to reads, searches, forks, uploads and contents, and
   * `runWrite` and `createWriteHandler` to the writes of clients. `write`, `suggestTitle` and `recordUsage`
   * are not limited, because the server writes with them.
   */
  readonly limiters: RequestLimiters
  /**
   * Applies a batch in one transaction, exactly once.
   *
   * Sending the same batch again (same id, user and content) returns the same result, at any later time
   * and concurrently. After `unavailable`, or after no answer, send the batch again unchanged.
   *
   * `txid` is null when no row changed: an update of a timeline event to its current values, or a
   * message whose `clientMessageId` its thread already has. Nothing is stored then, the mutation in the
   * result has the `id` of the stored message, and `unchanged` is true, also beside other mutations
   * that changed something. A client that shows an optimistic row under another id removes it: the
   * stored row is in the stream, or will be.
   *
   * @param principal The user, from the app's own authentication.
   * @param batch Any value; it is validated here.
   * @throws SessionDbError `invalid`, `too_large`, `not_found`, `forbidden`, `conflict` (with
   * `details.currentVersion` when `expectedVersion` did not match), `unavailable`, or
   * `unauthenticated` when the principal has no tenant or user. Nothing is written then.
   * @example
   * await store.write(
   *   { tenantId: 'acme', userId: 'ada' },
   *   { id: uuidv7(), mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }] },
   * )
   */
  write(principal: P, batch: unknown, options?: WriteOptions): Promise<WriteResult>
  /**
   * Reads a message, including the deltas streamed so far.
   *
   * @returns undefined when the principal can see no such message.
   */
  readMessage(principal: P, id: string): Promise<ChatMessage | undefined>
  /**
   * Reads the first rows of one of the library's shapes, under the same access rule, for a page that is
   * rendered on the server. Pass the result to `initialRows` of `createSessionCollections`.
   *
   * @throws SessionDbError `invalid` for unknown names, parameters or limits; `unavailable`.
   * @example
   * const rows = await store.readRows(principal, {
   *   shape: 'sessions',
   *   orderBy: 'createdAt',
   *   descending: true,
   *   limit: 50,
   * })
   */
  readRows<Name extends keyof SessionShapes>(
    principal: P,
    request: ReadRowsRequest<Name>,
  ): Promise<ShapeRows<RowOf<SessionShapes[Name]['columns']>>>
  /**
   * Reads the last messages of a thread, on the branch that it shows or another one. A page costs the same in a
   * thread of any length.
   *
   * @param request.last the number of messages, 1 to 1,000. Default 100.
   * @param request.before the `before` of the previous page, for older messages
   * @param request.branch the id of the last message of another branch. Default: the thread's head.
   * @returns undefined when the principal can see no such thread.
   * @throws SessionDbError `not_found` when `before` or `branch` is no message of the thread; `invalid`;
   * `unavailable`.
   * @example
   * const page = await store.readThread(principal, threadId, { last: 50 })
   */
  readThread(principal: P, id: string, request?: ThreadRequest): Promise<ThreadPage | undefined>
  /**
   * Reads a branch from its first message to its last, for a thread of any length: messages are read in pages
   * as they are consumed. Ends immediately when the principal can see no such thread.
   *
   * @param request.branch the id of the branch's last message. Default: the thread's head.
   * @throws SessionDbError like `readThread`
   * @example
   * for await (const message of store.threadMessages(principal, threadId)) await mail.add(message)
   */
  threadMessages(
    principal: P,
    id: string,
    request?: Pick<ThreadRequest, 'branch'>,
  ): AsyncIterable<ChatMessage>
  /**
   * Lists threads by their last activity, the latest first: of one session, or of all that the principal may see.
   *
   * @param request.limit 1 to 200. Default 50.
   * @throws SessionDbError `invalid` for a malformed cursor or limit; `unavailable`.
   * @example
   * const { threads, nextCursor } = await store.listThreads(principal, { sessionId })
   */
  listThreads(principal: P, request?: ThreadListRequest): Promise<ThreadList>
  /**
   * Lists the sessions that the principal may see, the last changed first.
   *
   * @param request.limit 1 to 200. Default 50.
   * @throws SessionDbError `invalid` for a malformed cursor or limit; `unavailable`.
   * @example
   * const { sessions, nextCursor } = await store.listSessions(principal, { archived: false })
   */
  listSessions(principal: P, request?: SessionListRequest): Promise<SessionList>
  /**
   * Copies the branch that ends with a message into a new thread of the same session, which becomes the active
   * one of its mode. The copies have ids of their own and keep their authors and times.
   *
   * @throws SessionDbError `not_found`; `forbidden` when the principal may not add threads; `conflict` when the
   * message is still growing, or the id is taken; `invalid`; `unavailable`.
   * @example
   * const { id } = await store.forkThread(principal, { threadId, messageId })
   */
  forkThread(principal: P, fork: ThreadFork): Promise<ForkedThread>
  /**
   * Sets the title of a thread, for example to one that a model has made, unless a user has changed it.
   *
   * @returns false when a user has changed the title, which then stays.
   * @throws SessionDbError `not_found`; `forbidden` when the principal may not rename the thread; `invalid`;
   * `unavailable`.
   * @example
   * await store.suggestTitle(principal, { threadId, title: text })
   */
  suggestTitle(principal: P, suggestion: TitleSuggestion): Promise<boolean>
  /**
   * Lists the feedback on messages, the last changed first: the principal's own, and everyone's in sessions that
   * it may edit.
   *
   * @param request.limit 1 to 200. Default 50.
   * @throws SessionDbError `invalid` for a malformed cursor or limit; `unavailable`.
   * @example
   * const { feedback } = await store.readFeedback(principal, { sessionId, rating: 'down' })
   */
  readFeedback(principal: P, request?: FeedbackRequest): Promise<FeedbackPage>
  /**
   * Stores what a model call used for a message. A call that is recorded again counts once. `streamMessage` does
   * it by itself where the AI SDK's stream carries the usage in the message's metadata.
   *
   * @returns false when the call was recorded before; its values then stay.
   * @throws SessionDbError `not_found`, `invalid`, `unavailable`.
   * @example
   * await store.recordUsage(principal, { messageId, callId: response.id, model, inputTokens, outputTokens })
   */
  recordUsage(principal: P, usage: MessageUsage): Promise<boolean>
  /**
   * Sums what model calls used: the principal's own, also of chats that are deleted, and everyone's in sessions
   * that it may edit. At most 10,000 sums, by key.
   *
   * @param request.by what to sum by; months are those of UTC
   * @throws SessionDbError `invalid`, `unavailable`.
   * @example
   * const months = await store.readUsage(principal, { by: 'month', userId: principal.userId })
   */
  readUsage(principal: P, request: UsageRequest): Promise<UsageSum[]>
  /**
   * Searches the timeline events and chat messages of all sessions that the principal may see. The best
   * match is first: messages before tools, recent before old.
   *
   * @throws SessionDbError `invalid` for a malformed search or cursor; `unavailable`.
   * @example
   * const { hits, facets } = await store.search(principal, { query: 'getUser "exit code" -test' })
   */
  search(principal: P, search: SessionSearch): Promise<SearchHits>
  /**
   * Searches the timeline events only.
   *
   * @throws SessionDbError `invalid` for a malformed search or cursor; `unavailable`.
   * @example
   * const { hits, nextCursor } = await store.searchEvents(principal, { query: '"exit code" tsc' })
   */
  searchEvents(principal: P, search: EventSearch): Promise<EventHits>
  /**
   * Finds the positions in a session whose events pass a filter, for a timeline that the browser holds
   * only in windows. `timelineQuery` does the same for loaded events.
   *
   * @throws SessionDbError `invalid` for a malformed filter; `unavailable`.
   * @example
   * const { ranges } = await store.outlineTimeline(principal, { sessionId, kinds: ['tool_call'] })
   */
  outlineTimeline(principal: P, request: OutlineRequest): Promise<TimelineOutline>
  /**
   * Counts a session's events by kind, role and tool, as choices for a filter.
   *
   * @throws SessionDbError `unavailable`.
   */
  timelineFacets(principal: P, sessionId: string): Promise<TimelineFacets>
  /**
   * Writes the last activity of sessions, and ends the pool that the store created. A client passed as
   * `database` stays open.
   */
  close(): Promise<void>
}

/** The default of `statementTimeoutMs`. */
export const DEFAULT_STATEMENT_TIMEOUT_MS = 60_000

/** Rows of a read that count as one request. */
const ROWS_PER_REQUEST = 100

/** A fork copies a branch, which takes the time of some writes. */
const FORK_COST = 10

/**
 * Creates the store over a migrated database.
 *
 * @example
 * const store = createSessionStore({ database: process.env.DATABASE_URL })
 */
export function createSessionStore<P extends Principal = Principal>(
  options: SessionStoreOptions<P>,
): SessionStore<P> {
  const {
    access = defaultAccess,
    onError = console.error,
    statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS,
  } = options
  const policy = createPolicy<P>(access)
  const { driver, pool, close } = openDatabase(options.database, {
    prepare: options.prepare,
    statementTimeoutMs,
  })
  const limits = { ...defaultLimits, ...options.limits }
  const statements = createStatements<P>(policy, limits)
  const preparer = createPreparer()
  const activity = createSessionActivity(driver)
  const limiters = createRequestLimiters(options.requestLimits)
  const reading = { pool, policy, preparer, limiters }
  /** For the server's own steps beside an answer. */
  async function unlimited<T>(principal: P, work: () => Promise<T>): Promise<T> {
    checkPrincipal(principal)
    try {
      return await work()
    } catch (error) {
      throw fromDatabaseError(error)
    }
  }
  /** Runs a request of a client when it is the principal's turn. */
  const inTurn = <T>(
    kind: 'writes' | 'reads' | 'searches',
    principal: P,
    work: () => Promise<T>,
    cost = 1,
  ): Promise<T> => unlimited(principal, () => limiters[kind].run(principal, work, { cost }))
  const rows = { driver, policy }
  /** Reads as many rows as the client asks for; a malformed number is refused by `work`. */
  function read<T>(principal: P, count: number | undefined, work: () => Promise<T>): Promise<T> {
    const isCount = Number.isInteger(count) && Number(count) <= MAX_ROWS
    return inTurn(
      'reads',
      principal,
      work,
      isCount ? Math.max(1, Number(count) / ROWS_PER_REQUEST) : 1,
    )
  }
  /** Each statement takes a place, so that a consumer that reads slowly holds none in between. */
  const inPlaces = (principal: P): Reading<P> => ({
    policy,
    driver: {
      ...driver,
      async run(query) {
        const leave = await limiters.reads.enter(principal)
        return driver.run(query).finally(leave)
      },
    },
  })

  const store: Omit<SessionStore<P>, keyof SessionUploads | keyof SessionAttachments> = {
    async write(principal, input, { messageRoles } = {}) {
      checkPrincipal(principal)
      const parsed = parseWriteBatch(input)
      const { id } = parsed
      const { mutations, redactions } = await redactEvents(options.redact, parsed.mutations)
      const json = JSON.stringify(mutations)
      checkLimits(mutations, json, limits)
      const batch = { principal, id, hash: hashOf(json), mutations, messageRoles }
      try {
        const isNew = redactions.length > 0 && (await earlierResult(driver, batch)) === undefined
        const result = await applyBatch({ driver, statements, statementTimeoutMs }, batch)
        if (isNew) await countRedactions(driver, principal, redactions)
        activity.note(principal, mutations)
        return result
      } catch (error) {
        throw fromDatabaseError(error)
      }
    },
    readMessage: (principal, id) => read(principal, 1, () => readMessage(rows, principal, id)),
    readThread: (principal, id, request = {}) =>
      read(principal, request.last, () => readThread(rows, principal, id, request)),
    async *threadMessages(principal, id, request = {}) {
      checkPrincipal(principal)
      try {
        await limiters.reads.spend(principal)
        yield* threadMessages(inPlaces(principal), principal, id, request)
      } catch (error) {
        throw fromDatabaseError(error)
      }
    },
    readRows: (principal, request) =>
      read(principal, request.limit, () => readRows(driver, access, principal, request)),
    listThreads: (principal, request = {}) =>
      read(principal, request.limit, () => listThreads(rows, principal, request)),
    listSessions: (principal, request = {}) =>
      read(principal, request.limit, () => listSessions(rows, principal, request)),
    forkThread: (principal, fork) =>
      inTurn('writes', principal, () => forkThread(rows, principal, fork, limits), FORK_COST),
    suggestTitle: (principal, suggestion) =>
      unlimited(principal, () => suggestTitle(rows, principal, suggestion)),
    readFeedback: (principal, request = {}) =>
      read(principal, request.limit, () => readFeedback(rows, principal, request)),
    recordUsage: (principal, usage) =>
      unlimited(principal, () => recordUsage(rows, principal, usage)),
    readUsage: (principal, request) =>
      inTurn('searches', principal, () => readUsage(rows, principal, request)),
    limiters,
    search: (principal, query) =>
      inTurn('searches', principal, () => search(reading, principal, query)),
    searchEvents: (principal, query) => {
      const events = { ...query, sources: ['event' as const] }
      const find = () => search(reading, principal, events) as Promise<EventHits>
      return inTurn('searches', principal, find)
    },
    outlineTimeline: (principal, request) =>
      inTurn('searches', principal, () => outlineTimeline(reading, principal, request)),
    timelineFacets: (principal, sessionId) =>
      inTurn('searches', principal, () => timelineFacets(reading, principal, sessionId)),
    async close() {
      await activity.flush()
      await close()
    },
  }
  const uploads = {
    ...reading,
    contents: createContentStores(pool, options.contents),
    limits: { ...defaultUploadLimits, ...options.uploads },
    parsers: withOwnParsers(options.parsers),
    redact: options.redact,
    onError,
  }
  const parts = uploads as unknown as UploadContext
  return withParts(
    { ...createUploads(uploads, store), ...createAttachments(uploads), ...store },
    parts,
  )
}
