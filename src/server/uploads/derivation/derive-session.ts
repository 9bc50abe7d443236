import type { ClientBase } from 'pg'
import { deriveTimeline } from '../../../timeline/derive-timeline.ts'
import type { TimelineSummary } from '../../../timeline/timeline-summary.ts'
import type { ContentStores } from '../content/content-stores.ts'
import { missingContent } from '../content/postgres-content-store.ts'
import { storeBatches } from '../ingest/store-batches.ts'
import type { DerivationJob, JobProgress } from './jobs.ts'
import { openEventWriter } from './write-events.ts'

/** Changes with whatever makes other events of the same bytes. */
const DERIVATION_VERSION = 'session-db/4'

interface SessionContent {
  readonly content_ref: string | null
  readonly content_bytes: string | null
}

/**
 * Makes the timeline of a session's content and switches the session to ready, all in the caller's
 * transaction. Again with the same parser it changes no event; a better one replaces what parsers
 * made before and leaves what the app wrote.
 *
 * @param onProgress hears after every few events; what it throws ends the derivation.
 * @returns what the events are derived by.
 */
export async function deriveSession(
  client: ClientBase,
  contents: ContentStores,
  { tenantId, sessionId }: DerivationJob,
  onProgress: (progress: JobProgress) => void,
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
  return deriveContent(client, { tenantId, sessionId }, counted, (stored) => {
    events = stored
  })
}

/**
 * The same from bytes that come from elsewhere: they need not be where the session's content is.
 *
 * @param onEvents hears how many events have been stored so far.
 */
export async function deriveContent(
  client: ClientBase,
  { tenantId, sessionId }: Pick<DerivationJob, 'tenantId' | 'sessionId'>,
  content: AsyncIterable<Uint8Array>,
  onEvents: (stored: number) => void = () => undefined,
): Promise<string> {
  const derivedBy = DERIVATION_VERSION
  const writer = await openEventWriter(client, { tenantId, sessionId, derivedBy })
  const timeline = deriveTimeline(content)
  await storeBatches(timeline, {
    prepare: ({ events }) => writer.prepare(events),
    async store(lines, { progress }) {
      await writer.write(lines)
      onEvents(progress.events)
    },
  })
  await writer.end()
  await switchToReady(client, tenantId, sessionId, timeline.summary)
  return derivedBy
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

/** A title that is still the file's name gives way to what the user asked; one that a person chose stays. */
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
       repo_label = coalesce(repo_label, $9),
       metadata = metadata || $10
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
      {
        agentSessionId: summary.agentSessionId,
        unparseableLines: summary.unparseable,
        parser: summary.parser,
      },
    ],
  )
}
