import { hash, randomUUID } from 'node:crypto'
import * as z from 'zod/mini'
import { countField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { SessionInsert } from '../../schema/session.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import { checkPrincipal } from '../store/check-principal.ts'
import { fromDatabaseError, isDatabaseError } from '../store/database-errors.ts'
import { beginUpload, checkSize } from './begin-upload.ts'
import type { ByteRange } from './content/content-store.ts'
import { claimJob } from './derivation/jobs.ts'
import { runJob } from './derivation/run-job.ts'
import { type SessionWorker, type SessionWorkerOptions, startWorker } from './derivation/worker.ts'
import { openContent, type SessionContent } from './open-content.ts'
import { queueDerivation, queueReceived } from './queue-derivation.ts'
import { receiveContent, wrongOffset } from './receive-content.ts'
import type { UploadContext } from './upload-context.ts'
import { readUpload, toState, type UploadState } from './upload-state.ts'

/** A new session whose content will be uploaded. */
export interface NewUpload extends SessionInsert {
  /** Size of the content in bytes. With it an upload can be resumed after a broken connection. */
  readonly totalBytes?: number
}

/** Sessions in, contents in and out. Every call decides by the store's policy. */
export interface SessionUploads<User extends Principal = Principal> {
  /**
   * Creates a session that waits for its content. Again with the same id it goes on, and a session
   * that failed starts over.
   *
   * @throws SessionDbError `invalid`, `too_large`, `conflict` when the id is another session's or the
   * session has its content already.
   * @example
   * await store.createSession(principal, { id: 's1', title: 'run.jsonl', originalName: 'run.jsonl' })
   * await store.uploadContent(principal, 's1', createReadStream('run.jsonl'))
   */
  createSession(principal: User, session: NewUpload): Promise<UploadState>
  /**
   * Stores the content, or the next part of it, and has the timeline made of it when it is complete:
   * with the last byte that was announced, else with the stream's end. A small content's session is
   * ready when this resolves; of a large one it becomes ready in the background.
   *
   * @param options.offset where the part starts, in bytes; where the upload is, unless given.
   * @throws SessionDbError `conflict` when the upload is elsewhere (`details.receivedBytes`),
   * `too_large`, `invalid`, `not_found`, `forbidden`; and whatever the stream fails with. What came
   * until then is kept, and the upload goes on from `uploadState(…).receivedBytes`.
   */
  uploadContent(
    principal: User,
    sessionId: string,
    content: AsyncIterable<Uint8Array>,
    options?: { readonly offset?: number },
  ): Promise<UploadState>
  /** How far an upload is. */
  uploadState(principal: User, sessionId: string): Promise<UploadState>
  /** Gives an upload up and deletes its session. One that is ready is a `conflict`. */
  abortUpload(principal: User, sessionId: string): Promise<void>
  /**
   * Makes the timeline anew in the background, for example with a better parser: events that a
   * parser made are replaced where they differ, others stay. Until then the session is as it was.
   *
   * @throws SessionDbError `conflict` when the session has no content.
   */
  deriveAgain(principal: User, sessionId: string): Promise<UploadState>
  /**
   * A session's content, or a range of it, as it was uploaded.
   *
   * @throws SessionDbError `not_found`.
   */
  openContent(principal: User, sessionId: string, range?: ByteRange): Promise<SessionContent>
  /** Starts making timelines in this process, and sweeping up. Every app needs at least one. */
  startWorker(options?: SessionWorkerOptions): SessionWorker
}

interface BatchStore<User extends Principal> {
  write(principal: User, batch: unknown): Promise<WriteResult>
}

const LEASE_MS = 30_000

/** Creates the part of a session store that deals with contents. */
export function createUploads<User extends Principal>(
  context: UploadContext<User>,
  store: BatchStore<User>,
): SessionUploads<User> {
  const workers = new Set<{ wake(): void }>()
  const jobContext = context as unknown as UploadContext

  /** Does the job here if it is small; else whoever looks for work next does it. */
  async function derive(
    principal: User,
    sessionId: string,
    bytes: number,
    sha256: string | undefined,
  ): Promise<void> {
    if (bytes > context.limits.deriveAtOnceBytes) {
      for (const worker of workers) worker.wake()
      return
    }
    const which = { tenantId: principal.tenantId, sessionId }
    const job = await claimJob(context.pool, randomUUID(), LEASE_MS, which)
    const options = { leaseMs: LEASE_MS, progressMs: 1_000, sha256 }
    if (job !== undefined) await runJob(jobContext, job, options)
  }

  async function create(principal: User, { totalBytes, ...session }: NewUpload) {
    const size = z.nullable(countField).safeParse(totalBytes ?? null)
    if (!size.success) throw new SessionDbError('invalid', 'totalBytes must be a whole number.')
    if (size.data !== null) checkSize(context, size.data)
    // The id makes the batch: creating the same session again is answered as before.
    const id = `create-${hash('sha256', String(session.id), 'hex')}`
    const insert = { collection: 'sessions', type: 'insert', value: session }
    await store.write(principal, { id, mutations: [insert] })
    return toState(await beginUpload(context, principal, session.id, size.data))
  }

  async function receive(
    principal: User,
    sessionId: string,
    content: AsyncIterable<Uint8Array>,
    offset: number | undefined,
  ): Promise<UploadState> {
    const begun = await readUpload(context, principal, sessionId, { mayWrite: true })
    const upload =
      begun.step === null || begun.step === 'failed'
        ? await beginUpload(context, principal, sessionId, null)
        : begun
    if (upload.step !== 'receiving') {
      if (offset === upload.receivedBytes) return toState(upload)
      throw new SessionDbError('conflict', 'This session has its content already.', {
        details: { status: upload.status, receivedBytes: upload.receivedBytes },
      })
    }
    if (offset !== undefined && offset !== upload.receivedBytes) {
      throw wrongOffset(upload.receivedBytes, offset)
    }
    const { receivedBytes, sha256 } = await receiveContent(context, principal, upload, content)
    if (upload.totalBytes === null || receivedBytes === upload.totalBytes) {
      await queueReceived(context, principal, sessionId, receivedBytes)
      await derive(principal, sessionId, receivedBytes, sha256)
    }
    return state(principal, sessionId)
  }

  async function state(principal: User, sessionId: string): Promise<UploadState> {
    return toState(await readUpload(context, principal, sessionId, { mayWrite: false }))
  }

  async function abort(principal: User, sessionId: string): Promise<void> {
    const { status } = await readUpload(context, principal, sessionId, { mayWrite: true })
    if (status === 'ready') {
      throw new SessionDbError('conflict', 'This session is ready. Delete it, if it is to go.')
    }
    const mutation = { collection: 'sessions', type: 'delete', id: sessionId }
    await store.write(principal, { id: randomUUID(), mutations: [mutation] })
  }

  async function deriveAgain(principal: User, sessionId: string): Promise<UploadState> {
    await readUpload(context, principal, sessionId, { mayWrite: true })
    await queueDerivation(context, principal, sessionId)
    for (const worker of workers) worker.wake()
    return state(principal, sessionId)
  }

  return {
    createSession: (principal, session) => guard(principal, () => create(principal, session)),
    uploadContent: (principal, sessionId, content, { offset } = {}) =>
      guard(principal, () => receive(principal, sessionId, content, offset)),
    uploadState: (principal, sessionId) => guard(principal, () => state(principal, sessionId)),
    abortUpload: (principal, sessionId) => guard(principal, () => abort(principal, sessionId)),
    deriveAgain: (principal, sessionId) =>
      guard(principal, () => deriveAgain(principal, sessionId)),
    openContent: (principal, sessionId, range) =>
      guard(principal, () => openContent(context, principal, sessionId, range ?? {})),
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

/** Checks who asks, and turns the database's failures into errors of this library. */
async function guard<Result>(principal: Principal, work: () => Promise<Result>): Promise<Result> {
  checkPrincipal(principal)
  try {
    return await work()
  } catch (error) {
    throw isDatabaseError(error) ? fromDatabaseError(error) : error
  }
}
