import { hash, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import * as z from 'zod/mini'
import { countField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { SessionInsert } from '../../schema/session.ts'
import type { WholeEvent } from '../../schema/timeline-event.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import { type AgentSession, checkAgentSession, findAgentSession } from './agent-session.ts'
import type { ByteRange } from './content/content-store.ts'
import { claimJob } from './derivation/jobs.ts'
import { runJob } from './derivation/run-job.ts'
import { type SessionWorker, type SessionWorkerOptions, startWorker } from './derivation/worker.ts'
import { readEvent } from './read-event.ts'
import {
  beginUpload,
  checkSize,
  checkUnderWay,
  failUpload,
  queueDerivation,
  queueReceived,
  receiveContent,
  wrongOffset,
} from './receive-content.ts'
import {
  guard,
  inTurn,
  readUpload,
  toState,
  type UploadContext,
  type UploadState,
} from './upload-state.ts'

/** A session to create before its content is uploaded. */
export interface NewUpload extends SessionInsert {
  /** Size of the content in bytes. Required to resume after a broken connection. */
  readonly totalBytes?: number
  /**
   * The agent's own session that the content is a log of, if known. When the user has a session of it
   * already, its content is replaced: events that the log added are added, and the `id` is not used.
   */
  readonly agentSession?: AgentSession
  /**
   * Looks for that session after the upload, by the id in the log. A log that has grown or was rewritten
   * under the same name joins the earlier session, and this one is deleted. Default: false.
   */
  readonly growing?: boolean
}

/** The upload methods of a session store. Every call applies the store's policy. */
export interface SessionUploads<P extends Principal = Principal> {
  /**
   * Creates a session that waits for its content. Calling it again with the same id resumes the
   * upload; a failed session restarts.
   *
   * @throws SessionDbError `invalid`, `too_large`, `conflict` when another session has the id or the
   * session already has its content.
   * @example
   * await store.createSession(principal, { id: 's1', title: 'run.jsonl', originalName: 'run.jsonl' })
   * await store.uploadContent(principal, 's1', createReadStream('run.jsonl'))
   */
  createSession(principal: P, session: NewUpload): Promise<UploadState>
  /**
   * Stores the content, or the next part of it, and derives the timeline when the content is
   * complete: at the last announced byte, else at the end of the stream. A small content is ready
   * when this resolves; a large one becomes ready in the background.
   *
   * @param options.offset byte offset of the part. Default: the current end of the upload.
   * @throws SessionDbError `conflict` when the upload is at another offset (`details.receivedBytes`),
   * `too_large`, `invalid`, `not_found`, `forbidden`. Errors of the stream are rethrown; the bytes
   * received so far are kept, and the upload can resume at `uploadState(…).receivedBytes`.
   */
  uploadContent(
    principal: P,
    sessionId: string,
    content: AsyncIterable<Uint8Array>,
    options?: { readonly offset?: number },
  ): Promise<UploadState>
  /** Reads the state of an upload. */
  uploadState(principal: P, sessionId: string): Promise<UploadState>
  /** Aborts an upload and deletes its session. Throws `conflict` for a session that is ready. */
  abortUpload(principal: P, sessionId: string): Promise<void>
  /**
   * Derives the timeline again in the background, for example with a newer parser. Derived events
   * are replaced where they differ; the app's own events stay. Until then the session is unchanged.
   *
   * @throws SessionDbError `conflict` when the session has no content.
   */
  deriveAgain(principal: P, sessionId: string): Promise<UploadState>
  /**
   * Opens a session's content, or a range of it, as it was uploaded.
   *
   * @throws SessionDbError `not_found` when there is no content or the principal may not see it.
   */
  openContent(principal: P, sessionId: string, range?: ByteRange): Promise<SessionContent>
  /**
   * Reads an event whole: its text without the limit of 4,000 characters, and the lines of the log
   * that it was derived from.
   *
   * @param seq place of the event in the session
   * @throws SessionDbError `not_found` when there is no such event or the principal may not see it.
   * @example
   * const { text, raw } = await store.readEvent(principal, 's1', 42)
   */
  readEvent(principal: P, sessionId: string, seq: number): Promise<WholeEvent>
  /** Starts a background worker in this process. Every app needs at least one. */
  startWorker(options?: SessionWorkerOptions): SessionWorker
}

interface BatchStore<P extends Principal> {
  write(principal: P, batch: unknown): Promise<WriteResult>
}

const LEASE_MS = 30_000

/** Creates the upload methods of a session store. */
export function createUploads<P extends Principal>(
  context: UploadContext<P>,
  store: BatchStore<P>,
): SessionUploads<P> {
  const { uploads, contents } = context.limiters
  const workers = new Set<{ wake(): void }>()
  const jobContext = context as unknown as UploadContext

  /**
   * Derives a small content here; a large one is left to a worker.
   *
   * @returns the session that has the content, which is another one if the log has grown
   */
  async function derive(
    principal: P,
    sessionId: string,
    bytes: number,
    sha256: string | undefined,
  ): Promise<string> {
    if (bytes > context.limits.deriveAtOnceBytes) {
      for (const worker of workers) worker.wake()
      return sessionId
    }
    const which = { tenantId: principal.tenantId, sessionId }
    const job = await claimJob(context.pool, randomUUID(), LEASE_MS, which)
    const options = { leaseMs: LEASE_MS, progressMs: 1_000, sha256 }
    return job === undefined ? sessionId : runJob(jobContext, job, options)
  }

  async function create(
    principal: P,
    { totalBytes, agentSession, growing, ...session }: NewUpload,
  ): Promise<UploadState> {
    const size = z.nullable(countField).safeParse(totalBytes ?? null)
    if (!size.success) {
      throw new SessionDbError('invalid', 'totalBytes must be a non-negative integer.')
    }
    if (size.data !== null) checkSize(context, size.data)
    if (agentSession !== undefined) {
      const earlier = await findAgentSession(context, principal, checkAgentSession(agentSession))
      if (earlier !== undefined) {
        const replaced = { totalBytes: size.data, replace: true }
        return toState(await beginUpload(context, principal, earlier, replaced))
      }
    }
    await checkUnderWay(context, principal, String(session.id))
    // The batch id follows from the session id, so creating the same session again is idempotent.
    const id = `create-${hash('sha256', String(session.id), 'hex')}`
    const insert = { collection: 'sessions', type: 'insert', value: session }
    await store.write(principal, { id, mutations: [insert] })
    const begun = { totalBytes: size.data, growing: growing === true }
    return toState(await beginUpload(context, principal, session.id, begun))
  }

  async function receive(
    principal: P,
    sessionId: string,
    content: AsyncIterable<Uint8Array>,
    offset: number | undefined,
  ): Promise<UploadState> {
    const begun = await readUpload(context, principal, sessionId, { mayWrite: true })
    const upload =
      begun.step === null || begun.step === 'failed'
        ? await beginUpload(context, principal, sessionId, { totalBytes: null })
        : begun
    if (upload.step !== 'receiving') {
      if (offset === upload.receivedBytes) return toState(upload)
      throw new SessionDbError('conflict', 'This session already has its content.', {
        details: { status: upload.status, receivedBytes: upload.receivedBytes },
      })
    }
    if (offset !== undefined && offset !== upload.receivedBytes) {
      throw wrongOffset(upload.receivedBytes, offset)
    }
    const { receivedBytes, sha256 } = await receiveContent(context, principal, upload, content)
    let current = sessionId
    if (upload.totalBytes === null || receivedBytes === upload.totalBytes) {
      await queueReceived(context, principal, sessionId, receivedBytes)
      current = await derive(principal, sessionId, receivedBytes, sha256)
    }
    const now = await state(principal, current)
    if (now.status !== 'failed') return now
    throw new SessionDbError('invalid', now.statusReason ?? 'The file could not be read.')
  }

  async function state(principal: P, sessionId: string): Promise<UploadState> {
    return toState(await readUpload(context, principal, sessionId, { mayWrite: false }))
  }

  async function abort(principal: P, sessionId: string): Promise<void> {
    const { status, step } = await readUpload(context, principal, sessionId, { mayWrite: true })
    if (status === 'ready' && step === 'receiving') {
      await failUpload(context, principal.tenantId, sessionId, 'The upload was aborted.')
      return
    }
    if (status === 'ready') {
      throw new SessionDbError('conflict', 'This session is ready. To remove it, delete it.')
    }
    const mutation = { collection: 'sessions', type: 'delete', id: sessionId }
    await store.write(principal, { id: randomUUID(), mutations: [mutation] })
  }

  async function deriveAgain(principal: P, sessionId: string): Promise<UploadState> {
    await readUpload(context, principal, sessionId, { mayWrite: true })
    await queueDerivation(context, principal, sessionId)
    for (const worker of workers) worker.wake()
    return state(principal, sessionId)
  }

  /** Runs a step that is counted but need not wait while files are received. */
  function quick<Result>(principal: P, work: () => Promise<Result>): Promise<Result> {
    return guard(principal, async () => {
      await uploads.spend(principal)
      return work()
    })
  }

  return {
    createSession: (principal, session) => quick(principal, () => create(principal, session)),
    uploadContent: (principal, sessionId, content, { offset } = {}) =>
      guard(principal, () =>
        uploads.run(principal, () => receive(principal, sessionId, content, offset)),
      ),
    uploadState: (principal, sessionId) => quick(principal, () => state(principal, sessionId)),
    abortUpload: (principal, sessionId) => quick(principal, () => abort(principal, sessionId)),
    deriveAgain: (principal, sessionId) =>
      quick(principal, () => deriveAgain(principal, sessionId)),
    openContent: (principal, sessionId, range) =>
      guard(principal, async () => {
        await contents.spend(principal)
        return openContent(context, principal, sessionId, range ?? {})
      }),
    readEvent: (principal, sessionId, seq) =>
      guard(principal, () =>
        contents.run(principal, () => readEvent(context, principal, sessionId, seq)),
      ),
    startWorker(options) {
      const worker = startWorker(jobContext, options)
      workers.add(worker)
      return {
        async stop() {
          workers.delete(worker)
          await worker.stop()
        },
      }
    },
  }
}

/** An opened content; `body` can be read once. */
export interface SessionContent {
  /** Size of the whole content, independent of the range. */
  readonly totalBytes: number
  readonly sha256: string
  readonly originalName: string | null
  readonly body: AsyncIterable<Uint8Array>
}

/** Opens the content of a session that the principal may see, without reading it yet. */
async function openContent<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  sessionId: string,
  range: ByteRange,
): Promise<SessionContent> {
  const statement = sql`
    SELECT session.content_ref, session.content_sha256, session.content_bytes, session.original_name
    FROM sessions AS session
    WHERE session.tenant_id = ${principal.tenantId} AND session.id = ${sessionId}
      AND session.content_ref IS NOT NULL AND (${context.policy.see(principal)})`
  const { rows } = await context.pool.query(context.preparer.prepare(statement))
  const row = rows[0] as Record<string, string> | undefined
  if (row?.content_ref === undefined) {
    throw new SessionDbError(
      'not_found',
      'The session does not exist, is not shared with you, or has no content.',
    )
  }
  const { store, key } = context.contents.locate(principal.tenantId, row.content_ref)
  return {
    totalBytes: Number(row.content_bytes),
    sha256: row.content_sha256 ?? key.sha256,
    originalName: row.original_name ?? null,
    body: inTurn(context, principal, store.get(key, range)),
  }
}
