import type { ClientBase } from 'pg'
import type { DerivedBatch, DerivedTimeline } from '../../../timeline/derive-timeline.ts'
import { deriveTimeline } from '../../../timeline/derive-timeline.ts'
import type { TimelineParser } from '../../../timeline/parser.ts'
import { sessionTotals, type TimelineSummary } from '../../../timeline/summary.ts'
import type { ContentStores } from '../content/postgres-content-store.ts'
import { missingContent } from '../content/postgres-content-store.ts'
import { openEventWriter } from './events.ts'
import type { DerivationJob, JobProgress } from './jobs.ts'
import { derivedByOf } from './stale.ts'

interface SessionContent {
  readonly content_ref: string | null
  readonly content_bytes: string | null
}

/**
 * Derives the timeline of a session's content and sets the session to ready, in the caller's
 * transaction. Deriving again with the same parser changes no event; a newer parser replaces derived
 * events and leaves the app's own.
 *
 * @param onProgress called for every chunk read; an error it throws ends the derivation
 * @param options how content is read
 * @returns the version stored as `derived_by`
 */
export async function deriveSession(
  client: ClientBase,
  contents: ContentStores,
  { tenantId, sessionId }: DerivationJob,
  onProgress: (progress: JobProgress) => void,
  options: DeriveOptions = {},
): Promise<string> {
  const { rows } = await client.query<SessionContent>(
    'SELECT content_ref, content_bytes FROM sessions WHERE tenant_id = $1 AND id = $2',
    [tenantId, sessionId],
  )
  const ref = rows[0]?.content_ref
  if (ref == null) throw missingContent()
  const totalBytes = Number(rows[0]?.content_bytes ?? 0)
  const { store, key } = contents.locate(tenantId, ref)
  let events = 0
  let doneBytes = 0
  const counted = countBytes(store.get(key), (bytes) => {
    doneBytes += bytes
    onProgress({ doneBytes, totalBytes, events })
  })
  const onEvents = (stored: number) => {
    events = stored
  }
  return deriveContent(client, { tenantId, sessionId }, counted, { ...options, onEvents })
}

/** How a content is read. */
interface DeriveOptions {
  /** Largest size of a compressed content after unpacking. */
  readonly maxBytes?: number | undefined
  /** Parsers to choose from. Default: the built-in ones. */
  readonly parsers?: readonly TimelineParser[] | undefined
}

/**
 * Derives a session's timeline from bytes that the caller reads, wherever the content is stored.
 *
 * @param options.onEvents called with the number of events stored so far
 * @throws LogError for content that can't become a timeline.
 */
export async function deriveContent(
  client: ClientBase,
  { tenantId, sessionId }: Pick<DerivationJob, 'tenantId' | 'sessionId'>,
  content: AsyncIterable<Uint8Array>,
  options: DeriveOptions & { readonly onEvents?: (stored: number) => void } = {},
): Promise<string> {
  const writer = await openEventWriter(client, { tenantId, sessionId, derivedBy: 'session-db' })
  const { maxBytes, parsers } = options
  const timeline = deriveTimeline(content, {
    ...(maxBytes !== undefined && { maxBytes }),
    ...(parsers !== undefined && { parsers }),
  })
  await storeBatches(timeline, {
    prepare: (batch) => writer.prepare(batch),
    async store(lines, { amendments, progress }) {
      await writer.write(lines)
      await writer.amend(amendments)
      options.onEvents?.(progress.events)
    },
  })
  await writer.end()
  await switchToReady(client, tenantId, sessionId, timeline.summary)
  return derivedByOf(timeline.summary.parser)
}

async function* countBytes(
  content: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    onBytes(bytes.byteLength)
    yield bytes
  }
}

/** A title that is still the file's name is replaced by the log's; a chosen title is kept. */
async function switchToReady(
  client: ClientBase,
  tenantId: string,
  sessionId: string,
  summary: TimelineSummary,
): Promise<void> {
  await client.query(
    `UPDATE sessions SET status = 'ready', status_reason = NULL, progress = NULL,
       title = CASE WHEN title = original_name THEN coalesce($3, title) ELSE title END,
       format = $4,
       event_count = (SELECT count(*) FROM timeline_events e
         WHERE e.tenant_id = $1 AND e.session_id = $2),
       started_at = coalesce($5, started_at), ended_at = coalesce($6, ended_at),
       workspace_root = coalesce(workspace_root, $7), repo = coalesce(repo, $8),
       repo_label = coalesce(repo_label, $9), model = $10, agent_version = $11, totals = $12,
       agent_session_id = $14, metadata = metadata || $13
     WHERE tenant_id = $1 AND id = $2`,
    [
      tenantId,
      sessionId,
      summary.title,
      summary.format,
      summary.startedAt,
      summary.endedAt,
      summary.workspaceRoot,
      summary.repo,
      summary.repoLabel,
      summary.model,
      summary.agentVersion,
      sessionTotals(summary),
      {
        agentSessionId: summary.agentSessionId,
        unparseableLines: summary.unparseable,
        parser: summary.parser,
      },
      summary.agentSessionId,
    ],
  )
}

/** Processes the batches of a log. */
export interface BatchStore<Prepared> {
  /** Serialises a batch, while the one before it is being stored. */
  prepare(batch: DerivedBatch): Prepared
  /** Stores a batch. Called once the one before it is stored. */
  store(prepared: Prepared, batch: DerivedBatch): Promise<void>
}

/**
 * Stores a log's batches in order, each while the next is derived and serialised. Each batch is its own
 * statement, so a process that hangs in between counts as idle in transaction. Errors are thrown after
 * the pending store has settled.
 */
async function storeBatches<Prepared>(
  timeline: DerivedTimeline,
  { prepare, store }: BatchStore<Prepared>,
): Promise<void> {
  let pending: Promise<void> = Promise.resolve()
  try {
    for await (const batch of timeline) {
      const prepared = prepare(batch)
      await pending
      pending = store(prepared, batch)
      // Thrown by the next await; until then it must not count as unhandled.
      pending.catch(() => undefined)
    }
  } finally {
    await pending
  }
}
