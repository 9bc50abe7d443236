import { v7 as uuidv7 } from 'uuid'
import type { Principal } from '../../schema/principal.ts'
import type { SessionInsert } from '../../schema/session.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../http/authenticate.ts'
import { failureResponse } from '../http/failure-response.ts'
import { parseJsonText } from '../http/json-text.ts'
import { requireOwnOrigin } from '../write-handler/request-origin.ts'
import { type ErrorLogger, hidesItsCause, report } from '../write-handler/run-write.ts'
import type { SessionUploads } from './create-uploads.ts'
import { contentResponse } from './upload-handler/content-response.ts'
import { byteCount, parseUploadMetadata, TUS_VERSION } from './upload-handler/tus.ts'
import type { UploadState } from './upload-state.ts'

const PATCH_TYPE = 'application/offset+octet-stream'
const TUS_HEADERS = { 'tus-resumable': TUS_VERSION, 'cache-control': 'no-store' }

/** Whose uploads are received where. */
export interface UploadHandlerOptions {
  readonly store: Pick<
    SessionUploads,
    'createSession' | 'uploadContent' | 'uploadState' | 'abortUpload' | 'openContent'
  >
  /** Says who sends a request. Nobody, or an exception, is answered with 401. */
  readonly authenticate: Authenticate
  /** Where the handler is served; `/api/uploads` unless given. */
  readonly basePath?: string
  /** Origins that may upload besides the app's own, such as `https://app.example`. */
  readonly allowedOrigins?: readonly string[]
  /** Hears of errors that the client is only told of as `unavailable` or `unauthenticated`. */
  readonly logger?: ErrorLogger
}

/**
 * Receives uploads over the tus protocol (1.0, with creation and termination), so that they go on
 * after a broken connection, from `actions.uploadSession` or any tus client:
 *
 * - `POST base` creates a session (`Upload-Length`, and in `Upload-Metadata` either `session`, a JSON
 *   object, or `filename`) and answers with its `Location`,
 * - `PATCH base/id` appends at `Upload-Offset`; `HEAD base/id` says where to go on,
 * - `DELETE base/id` gives the upload up,
 * - `GET base/id` answers with the state as JSON, `GET base/id/content` with the file, whole or in part.
 *
 * Every refusal is typed JSON, as in the other handlers. It never rejects.
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

  async function answer(request: Request): Promise<Response> {
    const place = placeOf(new URL(request.url).pathname)
    if (place === undefined) return refuse(404, 'There is nothing here.')
    if (request.method === 'OPTIONS') return described()
    requireOwnOrigin(request, options.allowedOrigins ?? [])
    const principal = await requirePrincipal(options.authenticate, request, (error) =>
      report(options.logger, error, null),
    )
    const { id, content } = place
    if (id === undefined) return create(request, principal)
    if (content) return download(request, principal, id)
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
    return refuse(405, 'Uploads answer GET, HEAD, PATCH and DELETE.')
  }

  function placeOf(path: string): { id?: string; content?: true } | undefined {
    if (path !== basePath && !path.startsWith(`${basePath}/`)) return undefined
    const [id, content, ...more] = path.slice(basePath.length + 1).split('/')
    if (id === undefined || id === '') return {}
    if (more.length > 0 || (content !== undefined && content !== 'content')) return undefined
    return { id: decode(id), ...(content === undefined ? {} : { content: true }) }
  }

  async function create(request: Request, principal: Principal): Promise<Response> {
    if (request.method !== 'POST') return refuse(405, 'Uploads are created with POST.')
    const totalBytes = byteCount(request.headers, 'Upload-Length')
    const session = sessionOf(parseUploadMetadata(request.headers.get('upload-metadata')))
    const state = await store.createSession(principal, { ...session, totalBytes })
    const location = `${basePath}/${encodeURIComponent(state.sessionId)}`
    return stateHeaders(state, 201, { location })
  }

  async function receive(request: Request, principal: Principal, id: string): Promise<Response> {
    if (request.headers.get('content-type') !== PATCH_TYPE) {
      return refuse(415, `Send the bytes as ${PATCH_TYPE}.`)
    }
    const offset = byteCount(request.headers, 'Upload-Offset')
    const state = await store.uploadContent(principal, id, request.body ?? nothing(), { offset })
    return stateHeaders(state, 204)
  }

  async function download(request: Request, principal: Principal, id: string): Promise<Response> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(405, 'A content answers GET and HEAD.')
    }
    return contentResponse(request, (range) => store.openContent(principal, id, range))
  }

  return async (request) => {
    try {
      return await answer(request)
    } catch (error) {
      if (hidesItsCause(error)) report(options.logger, error, null)
      return failureResponse(error, { 'tus-resumable': TUS_VERSION })
    }
  }
}

/** A session as `Upload-Metadata` describes it. */
function sessionOf(metadata: ReadonlyMap<string, string>): SessionInsert {
  const json = metadata.get('session')
  if (json === undefined) {
    const originalName = metadata.get('filename') || 'Session'
    return { id: uuidv7(), title: originalName.slice(0, 500), originalName }
  }
  const parsed = parseJsonText(json)
  if (parsed.ok && typeof parsed.value === 'object' && parsed.value !== null) {
    // The store checks every field.
    return parsed.value as SessionInsert
  }
  throw new SessionDbError('invalid', 'Upload-Metadata: session is not a JSON object.')
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
    throw new SessionDbError('invalid', 'The path is not valid.')
  }
}

function refuse(status: 404 | 405 | 415, message: string): Response {
  const code = status === 404 ? 'not_found' : 'invalid'
  return failureResponse(new SessionDbError(code, message), {}, status)
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
