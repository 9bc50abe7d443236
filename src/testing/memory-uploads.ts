import { SessionDbError } from '../errors.ts'
import { MAX_ID_LENGTH } from '../schema/fields.ts'
import type { NewUpload, SessionContent } from '../server/uploads/create-uploads.ts'
import type { UploadState } from '../server/uploads/upload-state.ts'
import { LogError, refusalOf } from '../timeline/content.ts'
import { deriveTimeline } from '../timeline/derive-timeline.ts'
import type { DerivedEvent } from '../timeline/events.ts'
import { sessionTotals, type TimelineSummary } from '../timeline/summary.ts'
import { findTarget, type MemoryContext, seesInMemory, writeInMemory } from './memory-writes.ts'
import type { MemoryUpload } from './shape-mock.ts'
import { childrenOf, keyOf, type Rows } from './tables.ts'
import type { Transaction } from './transaction.ts'

type Session = Rows['sessions']

/** Marks derived events, as the name of the parser does in the database. */
const DERIVED_BY = 'memory'
const MAX_BYTES = 512 * 1024 * 1024

/** Creates a session that waits for its content, or resumes its upload. */
export async function createUpload(
  context: MemoryContext,
  { totalBytes = undefined, ...session }: NewUpload,
): Promise<UploadState> {
  if (totalBytes !== undefined && !(Number.isSafeInteger(totalBytes) && totalBytes >= 0)) {
    throw new SessionDbError('invalid', 'totalBytes must be a non-negative integer.')
  }
  checkSize(totalBytes ?? 0)
  const id = `create-${await sha256Of(new TextEncoder().encode(String(session.id)))}`
  const mutation = { collection: 'sessions', type: 'insert', value: session }
  writeInMemory(context, { id, mutations: [mutation] })
  beginUpload(context, session.id, totalBytes ?? null)
  return uploadState(context, session.id)
}

/** Receives a content, or its next part, and derives the timeline when it is complete. */
export async function receiveUpload(
  context: MemoryContext,
  sessionId: string,
  content: AsyncIterable<Uint8Array>,
  offset?: number,
): Promise<UploadState> {
  const session = requireSession(context, sessionId, { mayWrite: true })
  const key = keyOf(session)
  const known = context.uploads.get(key)
  if (known === undefined || known.step === 'failed') beginUpload(context, sessionId, null)
  const upload = context.uploads.get(key) ?? emptyUpload(null)
  const received = upload.bytes.length
  if (upload.step !== 'receiving') {
    if (offset === received) return uploadState(context, sessionId)
    throw hasContent(session.status, received)
  }
  if (offset !== undefined && offset !== received) {
    const message = `The upload is at byte ${received}, not ${offset}. Continue there.`
    throw new SessionDbError('conflict', message, { details: { receivedBytes: received } })
  }
  const chunks = [upload.bytes]
  const keep = () => {
    const bytes = concat(chunks)
    context.uploads.set(key, { ...upload, bytes })
    return bytes
  }
  try {
    for await (const chunk of content) chunks.push(chunk)
  } catch (error) {
    // The bytes so far are kept, so that the upload can resume.
    keep()
    throw error
  }
  const bytes = keep()
  checkSize(bytes.length)
  if (upload.totalBytes !== null && bytes.length > upload.totalBytes) {
    const message = `The file has more than the announced ${upload.totalBytes} bytes. Upload it again.`
    throw new SessionDbError('invalid', message, { details: { totalBytes: upload.totalBytes } })
  }
  if (upload.totalBytes !== null && bytes.length < upload.totalBytes) {
    return uploadState(context, sessionId)
  }
  await setContent(context, sessionId, bytes)
  return uploadState(context, sessionId)
}

/**
 * Makes bytes the content of a session and derives its timeline.
 *
 * @param changes columns to set as well
 * @throws SessionDbError `invalid` for content that is no log. The session is `failed` then.
 */
export async function setContent(
  { database, uploads, principal }: MemoryContext,
  sessionId: string,
  bytes: Uint8Array,
  changes: Partial<Session> = {},
): Promise<void> {
  const key = keyOf({ tenantId: principal.tenantId, id: sessionId })
  const update = (values: Partial<Session>) =>
    database.transaction((transaction) => {
      const session = transaction.tables.sessions.get(key)
      if (session !== undefined) transaction.update('sessions', session, values)
    })
  const events: DerivedEvent[] = []
  const moreWords = new Map<number, string>()
  try {
    const refusal = refusalOf(bytes)
    if (refusal !== undefined) throw new LogError(refusal)
    const timeline = deriveTimeline(once(bytes), { batchEvents: Number.MAX_SAFE_INTEGER })
    for await (const batch of timeline) {
      events.push(...batch.events)
      for (const [seq, words] of batch.moreWords) moreWords.set(seq, words)
      for (const { seq, ...set } of batch.amendments) {
        const index = events.findIndex((event) => event.seq === seq)
        const event = events[index]
        if (event !== undefined) events[index] = { ...event, ...set }
      }
    }
    const content = await sha256Of(bytes)
    const idOf = await eventIds(sessionId)
    uploads.set(key, { step: 'done', totalBytes: bytes.length, bytes })
    database.transaction((transaction) => {
      const session = transaction.tables.sessions.get(key)
      if (session === undefined) return
      const stored = events.map((event) => ({
        ...event,
        moreWords: moreWords.get(event.seq) ?? '',
      }))
      replaceEvents(transaction, session, stored, idOf)
      transaction.update('sessions', session, {
        ...changes,
        ...readyColumns({ ...session, ...changes }, timeline.summary),
        ...{ contentRef: `memory:${content}`, contentSha256: content },
        contentBytes: bytes.length,
        eventCount: childrenOf<'timelineEvents'>(transaction.tables.timelineEvents, session).length,
      })
    })
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    uploads.set(key, { step: 'failed', totalBytes: null, bytes: new Uint8Array() })
    update({ status: 'failed', statusReason: error.message, progress: null })
    throw new SessionDbError('invalid', error.message)
  }
}

/** Twin of `switchToReady` in server/uploads/derivation/derive-session.ts. */
function readyColumns(session: Session, summary: TimelineSummary): Partial<Session> {
  const isNamed = session.title !== session.originalName
  return {
    ...{ status: 'ready', statusReason: null, progress: null, format: summary.format },
    title: isNamed ? session.title : (summary.title ?? session.title),
    startedAt: summary.startedAt ?? session.startedAt,
    endedAt: summary.endedAt ?? session.endedAt,
    workspaceRoot: session.workspaceRoot ?? summary.workspaceRoot,
    repo: session.repo ?? summary.repo,
    repoLabel: session.repoLabel ?? summary.repoLabel,
    ...{ model: summary.model, agentVersion: summary.agentVersion },
    totals: sessionTotals(summary),
    metadata: {
      ...session.metadata,
      agentSessionId: summary.agentSessionId,
      unparseableLines: summary.unparseable,
      parser: { ...summary.parser },
    },
  }
}

/**
 * Replaces the derived events. Those of the app keep their places, and so do derived events that a user has
 * changed, which the new derivation leaves out. Twin of server/uploads/derivation/events.ts.
 */
function replaceEvents(
  transaction: Transaction,
  session: Session,
  events: readonly (DerivedEvent & { readonly moreWords: string })[],
  idOf: (seq: number) => string,
): void {
  const { tenantId, id: sessionId } = session
  const old = childrenOf<'timelineEvents'>(transaction.tables.timelineEvents, session)
  for (const event of old) {
    if (event.derivedBy !== null) transaction.delete('timelineEvents', event)
  }
  const own = old.filter(({ derivedBy }) => derivedBy === null)
  const taken = new Set(own.filter(({ id, seq }) => id !== idOf(seq)).map(({ seq }) => seq))
  const kept = new Set(own.map(({ id }) => id))
  const places = new Map<number, number>()
  let next = 0
  for (const { parentSeq, ...event } of events) {
    while (taken.has(next)) next += 1
    places.set(event.seq, next)
    const id = idOf(next)
    const parentId = parentSeq === null ? null : idOf(places.get(parentSeq) ?? parentSeq)
    const rest = { derivedBy: DERIVED_BY, createdAt: transaction.now }
    const row = { ...event, ...rest, tenantId, sessionId, id, seq: next, parentId }
    if (!kept.has(id)) transaction.insert('timelineEvents', row as Rows['timelineEvents'])
    next += 1
  }
}

/** Derives the timeline again from the content. */
export async function deriveUploadAgain(
  context: MemoryContext,
  sessionId: string,
): Promise<UploadState> {
  const session = requireSession(context, sessionId, { mayWrite: true })
  const upload = context.uploads.get(keyOf(session))
  if (upload?.step !== 'done') {
    throw new SessionDbError('conflict', 'This session has no content to derive from.')
  }
  await setContent(context, sessionId, upload.bytes)
  return uploadState(context, sessionId)
}

/** Deletes a session that is not ready. */
export function abortUpload(context: MemoryContext, sessionId: string): void {
  const session = requireSession(context, sessionId, { mayWrite: true })
  if (session.status === 'ready') {
    throw new SessionDbError('conflict', 'This session is ready. To remove it, delete it.')
  }
  const mutation = { collection: 'sessions', type: 'delete', id: sessionId }
  writeInMemory(context, { id: crypto.randomUUID(), mutations: [mutation] })
  context.uploads.delete(keyOf(session))
}

export function uploadState(context: MemoryContext, sessionId: string): UploadState {
  const session = requireSession(context, sessionId, { mayWrite: false })
  const upload = context.uploads.get(keyOf(session))
  const { status, statusReason, eventCount } = session
  const receivedBytes = upload?.bytes.length ?? 0
  const totalBytes = upload?.totalBytes ?? null
  return { sessionId, status, statusReason, receivedBytes, totalBytes, eventCount }
}

/** Opens a session's content, or a range of it. */
export function openUpload(
  context: MemoryContext,
  sessionId: string,
  { start = 0, end }: { readonly start?: number; readonly end?: number } = {},
): SessionContent {
  const session = visibleSession(context, sessionId)
  const upload = session && context.uploads.get(keyOf(session))
  if (session?.contentSha256 == null || upload === undefined) {
    throw new SessionDbError(
      'not_found',
      'The session does not exist, is not shared with you, or has no content.',
    )
  }
  return {
    totalBytes: upload.bytes.length,
    sha256: session.contentSha256,
    originalName: session.originalName,
    body: once(upload.bytes.subarray(start, end)),
  }
}

function beginUpload(context: MemoryContext, sessionId: string, totalBytes: number | null): void {
  const session = requireSession(context, sessionId, { mayWrite: true })
  const upload = context.uploads.get(keyOf(session))
  if (upload?.step === 'receiving') {
    if (totalBytes === null || totalBytes === upload.totalBytes) return
    const message = `This upload was started for a file of ${upload.totalBytes ?? 'unknown'} bytes, not ${totalBytes}. Resume with the same file, or abort the upload first.`
    throw new SessionDbError('conflict', message, { details: { totalBytes: upload.totalBytes } })
  }
  if (upload?.step === 'done' || session.status === 'ready') {
    throw hasContent(session.status, upload?.bytes.length ?? 0)
  }
  context.uploads.set(keyOf(session), emptyUpload(totalBytes))
  context.database.transaction((transaction) =>
    transaction.update('sessions', session, {
      ...{ status: 'pending', statusReason: null },
      progress: { phase: 'upload', doneBytes: 0, totalBytes },
    } as Partial<Session>),
  )
}

function emptyUpload(totalBytes: number | null): MemoryUpload {
  return { step: 'receiving', totalBytes, bytes: new Uint8Array() }
}

function hasContent(status: string, receivedBytes: number): SessionDbError {
  return new SessionDbError('conflict', 'This session already has its content.', {
    details: { status, receivedBytes },
  })
}

function visibleSession(context: MemoryContext, id: string): Session | undefined {
  const key = keyOf({ tenantId: context.principal.tenantId, id })
  const session = context.database.tables.sessions.get(key)
  return session !== undefined && seesInMemory(context, session) ? session : undefined
}

function requireSession(
  context: MemoryContext,
  id: string,
  { mayWrite }: { readonly mayWrite: boolean },
): Session {
  const session = visibleSession(context, id)
  if (session === undefined) {
    throw new SessionDbError('not_found', 'The session does not exist or is not shared with you.')
  }
  const update = { collection: 'sessions', type: 'update', id, changes: {} } as const
  if (!mayWrite || findTarget(context, update)?.permitted) return session
  throw new SessionDbError(
    'forbidden',
    'You can view this session but not change it. Ask its owner to upload the file.',
  )
}

function checkSize(bytes: number): void {
  if (bytes <= MAX_BYTES) return
  const message = 'The file is larger than the 512 MiB allowed. Upload a smaller one.'
  throw new SessionDbError('too_large', message, { details: { limitBytes: MAX_BYTES } })
}

async function eventIds(sessionId: string): Promise<(seq: number) => string> {
  const hash = await sha256Of(new TextEncoder().encode(sessionId))
  return (seq) => {
    const id = `${sessionId}:${seq}`
    return id.length <= MAX_ID_LENGTH ? id : `${hash}:${seq}`
  }
}

/** SHA-256 in hex. */
async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
