import { v7 as uuidv7 } from 'uuid'
import { MAX_TITLE_LENGTH } from '../../../schema/fields.ts'
import type { Principal } from '../../../schema/principal.ts'
import type { SessionInsert } from '../../../schema/session.ts'
import { SessionDbError } from '../../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../../http/authenticate.ts'
import { failureResponse } from '../../http/failure-response.ts'
import { parseJsonText } from '../../http/json-text.ts'
import { hidesItsCause, reportError } from '../../http/report-error.ts'
import { bodyOf } from '../../http/request-body.ts'
import { requireOwnOrigin } from '../../http/request-origin.ts'
import type { AgentSession } from '../agent-session.ts'
import type { AttachmentState, SessionAttachments } from '../attachments.ts'
import type { NewUpload, SessionUploads } from '../create-uploads.ts'
import type { UploadState } from '../upload-state.ts'
import { contentResponse } from './content-response.ts'

/** Supported version of the tus protocol: https://tus.io/protocols/resumable-upload. */
const TUS_VERSION = '1.0.0'

const PATCH_TYPE = 'application/offset+octet-stream'
const TUS_HEADERS = { 'tus-resumable': TUS_VERSION, 'cache-control': 'no-store' }

/** Options of `createUploadHandler`. */
export interface UploadHandlerOptions {
  readonly store: Pick<
    SessionUploads & SessionAttachments,
    | 'createAttachment'
    | 'receiveAttachment'
    | 'attachmentState'
    | 'openAttachment'
    | 'deleteAttachment'
    | 'createSession'
    | 'uploadContent'
    | 'uploadState'
    | 'abortUpload'
    | 'openContent'
    | 'readEvent'
  >
  /** Returns the principal of a request. Nothing, or an exception, is answered with 401. */
  readonly authenticate: Authenticate
  /** Path of the route. Default: `/api/uploads`. */
  readonly basePath?: string
  /** Additional origins that may upload, such as `https://app.example`. */
  readonly allowedOrigins?: readonly string[]
  /** Called with errors the client only sees as `unavailable` or `unauthenticated`. Default: `console.error`. */
  readonly onError?: (error: unknown) => void
}

/**
 * Creates a handler for resumable uploads over the tus protocol (1.0, with creation and termination),
 * for `uploadSession` and any tus client:
 *
 * - `POST base` creates a session from `Upload-Length` and `Upload-Metadata` (either `session`, a JSON
 *   object, or `filename`; also `agent-session` or `growing`, for logs that grow) and returns its
 *   `Location`,
 * - `PATCH base/id` appends at `Upload-Offset`; `HEAD base/id` returns the offset to resume at,
 * - `DELETE base/id` aborts the upload,
 * - `GET base/id` returns the state as JSON, `GET base/id/content` the file or a range of it,
 *   `GET base/id/events/seq` an event with its whole text,
 * - `base/attachments` does the same for files of messages: `POST` with `thread` and `id` in `Upload-Metadata`
 *   creates one, and `GET base/attachments/id` is the file.
 *
 * Errors are typed JSON, as in the other handlers. The handler never rejects.
 *
 * @example
 * const serveUploads = createUploadHandler({ store, authenticate })
 * // in a catch-all route /api/uploads/$ and in /api/uploads: ({ request }) => serveUploads(request)
 */
export function createUploadHandler(
  options: UploadHandlerOptions,
): (request: Request) => Promise<Response> {
  const { store } = options
  const basePath = (options.basePath ?? '/api/uploads').replace(/\/+$/, '')

  const report = (error: unknown) => reportError(error, options.onError)

  async function answer(request: Request): Promise<Response> {
    const place = placeOf(new URL(request.url).pathname)
    if (place === undefined) return refuse(404, 'No upload route has this path.')
    if (request.method === 'OPTIONS') return described()
    requireOwnOrigin(request, options.allowedOrigins ?? [])
    const principal = await requirePrincipal(options.authenticate, request, report)
    const { id, content, seq, attachment } = place
    if (attachment !== undefined) return attach(request, principal, attachment)
    if (id === undefined) return create(request, principal)
    if (content) return download(request, principal, id)
    if (seq !== undefined) return readEvent(request, principal, id, seq)
    switch (request.method) {
      case 'PATCH':
        return receive(request, principal, id)
      case 'HEAD':
        return stateHeaders(await store.uploadState(principal, id), 200)
      case 'GET':
        return Response.json(await store.uploadState(principal, id), { headers: TUS_HEADERS })
      case 'DELETE':
        await store.abortUpload(principal, id)
        return new Response(null, { status: 204, headers: TUS_HEADERS })
    }
    return refuse(405, 'Use GET, HEAD, PATCH or DELETE for an upload.')
  }

  function placeOf(
    path: string,
  ): { id?: string; content?: true; seq?: number; attachment?: string | null } | undefined {
    if (path !== basePath && !path.startsWith(`${basePath}/`)) return undefined
    const [id, content, ...more] = path.slice(basePath.length + 1).split('/')
    // A session may have this id: `attachments/content` is its content.
    if (id === 'attachments' && more.length === 0 && content !== 'content') {
      return { attachment: content === undefined || content === '' ? null : decode(content) }
    }
    if (id === undefined || id === '') return {}
    if (content === 'events' && more.length === 1 && /^\d{1,10}$/.test(more[0] ?? '')) {
      return { id: decode(id), seq: Number(more[0]) }
    }
    if (more.length > 0 || (content !== undefined && content !== 'content')) return undefined
    return { id: decode(id), ...(content === undefined ? {} : { content: true }) }
  }

  async function create(request: Request, principal: Principal): Promise<Response> {
    if (request.method !== 'POST') return refuse(405, 'Use POST to create an upload.')
    const totalBytes = byteCount(request.headers, 'Upload-Length')
    const metadata = parseUploadMetadata(request.headers.get('upload-metadata'))
    const state = await store.createSession(principal, { ...newUpload(metadata), totalBytes })
    const location = `${basePath}/${encodeURIComponent(state.sessionId)}`
    return stateHeaders(state, 201, { location })
  }

  async function receive(request: Request, principal: Principal, id: string): Promise<Response> {
    if (request.headers.get('content-type') !== PATCH_TYPE) {
      return refuse(415, `Send the bytes as ${PATCH_TYPE}.`)
    }
    const offset = byteCount(request.headers, 'Upload-Offset')
    const state = await store.uploadContent(principal, id, bodyOf(request), { offset })
    return stateHeaders(state, 204)
  }

  async function attach(
    request: Request,
    principal: Principal,
    id: string | null,
  ): Promise<Response> {
    if (id === null) {
      if (request.method !== 'POST') return refuse(405, 'Use POST to create an attachment.')
      const totalBytes = byteCount(request.headers, 'Upload-Length')
      const metadata = parseUploadMetadata(request.headers.get('upload-metadata'))
      const name = metadata.get('filename')
      const state = await store.createAttachment(principal, {
        id: metadata.get('id') ?? uuidv7(),
        threadId: metadata.get('thread') ?? '',
        totalBytes,
        ...(name !== undefined && name !== '' && { name: [...name].slice(0, 1_000).join('') }),
      })
      const location = `${basePath}/attachments/${encodeURIComponent(state.id)}`
      return attachmentHeaders(state, 201, { location })
    }
    switch (request.method) {
      case 'PATCH': {
        if (request.headers.get('content-type') !== PATCH_TYPE) {
          return refuse(415, `Send the bytes as ${PATCH_TYPE}.`)
        }
        const offset = byteCount(request.headers, 'Upload-Offset')
        const body = bodyOf(request)
        return attachmentHeaders(
          await store.receiveAttachment(principal, id, body, { offset }),
          204,
        )
      }
      case 'HEAD':
        return attachmentHeaders(await store.attachmentState(principal, id), 200)
      case 'GET':
        return contentResponse(request, async (range) => {
          const { totalBytes, name, mediaType, body } = await store.openAttachment(
            principal,
            id,
            range,
          )
          return { totalBytes, name, mediaType, body, tag: encodeURIComponent(id) }
        })
      case 'DELETE':
        await store.deleteAttachment(principal, id)
        return new Response(null, { status: 204, headers: TUS_HEADERS })
    }
    return refuse(405, 'Use GET, HEAD, PATCH or DELETE for an attachment.')
  }

  async function readEvent(
    request: Request,
    principal: Principal,
    id: string,
    seq: number,
  ): Promise<Response> {
    if (request.method !== 'GET') return refuse(405, 'Use GET for an event.')
    const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
    return Response.json(await store.readEvent(principal, id, seq), { headers })
  }

  async function download(request: Request, principal: Principal, id: string): Promise<Response> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(405, 'Use GET or HEAD for a content.')
    }
    return contentResponse(request, async (range) => {
      const { sha256, originalName, ...content } = await store.openContent(principal, id, range)
      return { ...content, tag: sha256, name: originalName }
    })
  }

  return async (request) => {
    try {
      return await answer(request)
    } catch (error) {
      if (hidesItsCause(error)) report(error)
      return failureResponse(error, { 'tus-resumable': TUS_VERSION })
    }
  }
}

/** Reads the upload to create from `Upload-Metadata`. */
function newUpload(metadata: ReadonlyMap<string, string>): NewUpload {
  const agentSession = metadata.get('agent-session')
  return {
    ...sessionOf(metadata),
    ...(metadata.has('growing') && { growing: true }),
    // The store checks it.
    ...(agentSession !== undefined && {
      agentSession: jsonObject('agent-session', agentSession) as unknown as AgentSession,
    }),
  }
}

function sessionOf(metadata: ReadonlyMap<string, string>): SessionInsert {
  const json = metadata.get('session')
  if (json === undefined) {
    const originalName = metadata.get('filename') || 'Session'
    const title = [...originalName].slice(0, MAX_TITLE_LENGTH).join('')
    return { id: uuidv7(), title, originalName }
  }
  // The store checks every field.
  return jsonObject('session', json) as unknown as SessionInsert
}

function jsonObject(name: string, json: string): object {
  const parsed = parseJsonText(json)
  if (parsed.ok && typeof parsed.value === 'object' && parsed.value !== null) return parsed.value
  throw new SessionDbError('invalid', `Upload-Metadata: \`${name}\` must be a JSON object.`)
}

function stateHeaders(
  state: UploadState,
  status: number,
  more: Readonly<Record<string, string>> = {},
): Response {
  const headers = {
    ...TUS_HEADERS,
    'upload-offset': String(state.receivedBytes),
    ...(state.totalBytes === null ? {} : { 'upload-length': String(state.totalBytes) }),
    'session-status': state.status,
    'session-id': encodeURIComponent(state.sessionId),
    ...more,
  }
  return new Response(null, { status, headers })
}

function attachmentHeaders(
  { id, receivedBytes, totalBytes, mediaType }: AttachmentState,
  status: number,
  more: Readonly<Record<string, string>> = {},
): Response {
  const headers = {
    ...TUS_HEADERS,
    'upload-offset': String(receivedBytes),
    'upload-length': String(totalBytes),
    'session-status': mediaType === null ? 'pending' : 'ready',
    'session-id': encodeURIComponent(id),
    ...(mediaType !== null && { 'attachment-type': mediaType }),
    ...more,
  }
  return new Response(null, { status, headers })
}

function described(): Response {
  const headers = {
    ...TUS_HEADERS,
    'tus-version': TUS_VERSION,
    'tus-extension': 'creation,termination',
  }
  return new Response(null, { status: 204, headers })
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new SessionDbError('invalid', 'The path is not valid percent-encoding.')
  }
}

function refuse(status: 404 | 405 | 415, message: string): Response {
  const code = status === 404 ? 'not_found' : 'invalid'
  return failureResponse(new SessionDbError(code, message), {}, status)
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Parses `Upload-Metadata`: comma-separated keys, each with a base64 value.
 *
 * @throws SessionDbError `invalid` for a value that is not base64.
 * @example
 * parseUploadMetadata('filename cnVuLmpzb25s') // Map { 'filename' => 'run.jsonl' }
 */
function parseUploadMetadata(header: string | null): Map<string, string> {
  const metadata = new Map<string, string>()
  for (const pair of (header ?? '').split(',')) {
    const [key = '', value = '', ...more] = pair.trim().split(' ')
    if (key === '') continue
    if (more.length > 0 || !BASE64.test(value)) {
      throw new SessionDbError('invalid', `Upload-Metadata: the value of ${key} must be base64.`)
    }
    metadata.set(key, Buffer.from(value, 'base64').toString('utf8'))
  }
  return metadata
}

/**
 * Parses a header with a number of bytes.
 *
 * @throws SessionDbError `invalid` when it is missing or not a non-negative integer.
 */
function byteCount(headers: Headers, name: string): number {
  const text = headers.get(name) ?? ''
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value
  throw new SessionDbError('invalid', `${name} must be a number of bytes.`)
}
