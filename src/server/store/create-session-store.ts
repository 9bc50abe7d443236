import type { ChatMessage, Principal } from '../../schema/index.ts'
import { parseWriteBatch } from '../../writes/batch.ts'
import { checkLimits, defaultLimits, type WriteLimits } from '../../writes/limits.ts'
import type { WriteResult } from '../../writes/result.ts'
import { type EventHits, type EventSearch, searchEvents } from '../search/search-events.ts'
import {
  type OutlineRequest,
  outlineTimeline,
  type TimelineFacets,
  type TimelineOutline,
  timelineFacets,
} from '../search/timeline-outline.ts'
import type { ContentStore } from '../uploads/content/content-store.ts'
import { createContentStores } from '../uploads/content/postgres-content-store.ts'
import { createUploads, type SessionUploads } from '../uploads/create-uploads.ts'
import { defaultUploadLimits, type UploadLimits } from '../uploads/upload-state.ts'
import { applyAppend } from './append.ts'
import { mutationsJson, requestHash } from './applied-batches.ts'
import { checkPrincipal } from './check-principal.ts'
import { fromDatabaseError } from './database-errors.ts'
import { openDatabase, type StoreDatabase } from './drivers/open-database.ts'
import { createMutationQueries } from './mutation-queries.ts'
import { defaultPolicy, type SessionPolicy } from './policy.ts'
import { createPreparer } from './prepare.ts'
import { readMessage } from './read-message.ts'
import { applySeveral } from './several-mutations.ts'
import { applySingle } from './single-mutation.ts'

export interface SessionStoreOptions<User extends Principal = Principal> {
  /**
   * A connection string, from which the store makes a pool of its own (install `pg`), or what the
   * app has: a `Pool` of `pg`, the `sql` of postgres.js, or a Kysely instance over any dialect for
   * Postgres. A batch of one mutation is one round trip with each. One of several is three however
   * many they are with the store's own pool and with one made with `pipeline: true`, four or five
   * with postgres.js; else it is one per mutation, or per row of new messages in one thread, and four
   * more. Uploads need `pg`.
   */
  readonly database: StoreDatabase
  /** Who may do what; `defaultPolicy` unless given. */
  readonly policy?: SessionPolicy<User>
  /** What is left out keeps its default: 1 MiB per message, 8 MiB and 500 mutations per batch. */
  readonly limits?: Partial<WriteLimits>
  /**
   * Where the bytes of sessions go; in the database unless given. Of several stores the first takes
   * what is new, and the others stay readable.
   */
  readonly contents?: ContentStore | readonly ContentStore[]
  /** What is left out keeps its default: 512 MiB, and timelines at once of up to 4 MiB. */
  readonly uploads?: Partial<UploadLimits>
  /** Hears of failures in the background, whose sessions only say that something went wrong. */
  readonly onError?: (error: unknown) => void
}

/** The one way rows change on behalf of a user. */
export interface SessionStore<User extends Principal = Principal> extends SessionUploads<User> {
  /**
   * Applies a batch: all of it, in one transaction, exactly once.
   *
   * The same batch (id, user and content) again gets the same answer, for ever, whether it comes
   * later or at the same time. So after `unavailable`, or no answer at all, send it again as it was.
   *
   * `txid` is null when no row changed. That is so for an update of a timeline event to what it was,
   * and for a message whose `clientMessageId` its thread already has: nothing is stored then, and the
   * mutation in the result has the `id` of the message that is there. Such a mutation says
   * `unchanged: true`, also beside others in its batch that changed something. Whoever shows an optimistic row
   * under another id takes it away: the stored one is, or will be, in the stream.
   *
   * @param principal who is asking, as the app's own authentication says.
   * @param batch anything: it is validated here.
   * @throws SessionDbError `invalid`, `too_large`, `not_found`, `forbidden`, `conflict` (with
   * `details.currentVersion` when `expectedVersion` did not match), `unavailable`, or
   * `unauthenticated` when the principal is none. Nothing is written then.
   * @example
   * await store.write(
   *   { tenantId: 'acme', userId: 'ada' },
   *   { id: uuidv7(), mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }] },
   * )
   */
  write(principal: User, batch: unknown): Promise<WriteResult>
  /**
   * Reads a message with all that has been streamed of it so far.
   *
   * @returns undefined when there is none that the principal may see.
   */
  readMessage(principal: User, id: string): Promise<ChatMessage | undefined>
  /**
   * Finds timeline events by their words, in all sessions that the principal may see, the best first.
   *
   * @throws SessionDbError `invalid` for a search or a cursor that is none; `unavailable`.
   * @example
   * const { hits, nextCursor } = await store.searchEvents(principal, { query: '"exit code" tsc' })
   */
  searchEvents(principal: User, search: EventSearch): Promise<EventHits>
  /**
   * Finds where in a session the events are that pass a filter: for a timeline of which the browser
   * holds only windows. `timelineQuery` does the same with what is loaded.
   *
   * @throws SessionDbError `invalid` for a filter that is none; `unavailable`.
   * @example
   * const { ranges } = await store.outlineTimeline(principal, { sessionId, kinds: ['tool_call'] })
   */
  outlineTimeline(principal: User, request: OutlineRequest): Promise<TimelineOutline>
  /**
   * Counts a session's events by kind, role and tool: what a filter can offer.
   *
   * @throws SessionDbError `unavailable`.
   */
  timelineFacets(principal: User, sessionId: string): Promise<TimelineFacets>
  /** Ends the pool that the store made. What it was given stays open. */
  close(): Promise<void>
}

/**
 * Creates the store over a migrated database.
 *
 * @example
 * const store = createSessionStore({ database: process.env.DATABASE_URL })
 */
export function createSessionStore<User extends Principal = Principal>(
  options: SessionStoreOptions<User>,
): SessionStore<User> {
  const { policy = defaultPolicy } = options
  const { driver, pool, close } = openDatabase(options.database)
  const limits = { ...defaultLimits, ...options.limits }
  const queries = createMutationQueries<User>(policy)
  const { onError = () => undefined } = options
  const contents = createContentStores(pool, options.contents)
  const uploadLimits = { ...defaultUploadLimits, ...options.uploads }
  const preparer = createPreparer()
  const uploadContext = { pool, policy, preparer, contents, limits: uploadLimits, onError }
  const store: Omit<SessionStore<User>, keyof SessionUploads> = {
    async write(principal, batch) {
      checkPrincipal(principal)
      const { id, mutations } = parseWriteBatch(batch)
      const json = mutationsJson(mutations)
      checkLimits(mutations, json, limits)
      const claim = { principal, batchId: id, requestHash: requestHash(json) }
      const run = { driver, queries, principal, claim, mutations }
      const [only, ...more] = mutations
      try {
        if (only?.type === 'append' && more.length === 0) return await applyAppend(run, only)
        return only !== undefined && more.length === 0
          ? await applySingle(run, only)
          : await applySeveral(run)
      } catch (error) {
        throw fromDatabaseError(error)
      }
    },
    async readMessage(principal, id) {
      checkPrincipal(principal)
      try {
        return await readMessage(driver, { principal, policy }, id)
      } catch (error) {
        throw fromDatabaseError(error)
      }
    },
    searchEvents: (principal, search) =>
      searchEvents({ pool, policy, preparer }, principal, search),
    outlineTimeline: (principal, request) =>
      outlineTimeline({ pool, policy, preparer }, principal, request),
    timelineFacets: (principal, sessionId) =>
      timelineFacets({ pool, policy, preparer }, principal, sessionId),
    close,
  }
  return { ...createUploads(uploadContext, store), ...store }
}
