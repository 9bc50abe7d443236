import { SessionDbError } from '../../errors.ts'
import { type Session, sessionStatusSchema } from '../../schema/session.ts'
import { failureOf, uploadBase } from './upload-failure.ts'

/** Where uploads go, and how. */
export interface UploadRoute {
  /** The URL of the app's upload route. */
  readonly uploadUrl?: string
  /** Sends a request with the app's headers, and repeats it after a sign-in when the answer is 401. */
  readonly request: typeof fetch
}

/** The server's state of an upload. */
export interface UploadState {
  /** Bytes stored. */
  readonly offset: number
  readonly status: Session['status']
  /** The session that has the content. */
  readonly sessionId: string | undefined
  /** The media type of a complete attachment. */
  readonly mediaType?: string
}

/** The size and kind of a file, before it is sent. */
export interface NewContent {
  readonly totalBytes: number
}

/** The requests of the tus protocol that an upload consists of. Every failure is a `SessionDbError`. */
export interface UploadRequests {
  create(
    metadata: Readonly<Record<string, string>>,
    content: NewContent,
    signal: AbortSignal,
  ): Promise<UploadState>
  append(id: string, offset: number, bytes: Blob, signal: AbortSignal): Promise<UploadState>
  state(id: string, signal: AbortSignal): Promise<UploadState>
  remove(id: string): Promise<void>
}

/**
 * @param place below the upload route; `attachments` for files of messages
 * @throws SessionDbError `invalid` when the route has no URL.
 */
export function createUploadRequests(
  { uploadUrl, request }: UploadRoute,
  place = '',
): UploadRequests {
  const base = `${uploadBase(uploadUrl)}${place}`
  const urlOf = (id: string) => `${base}/${encodeURIComponent(id)}`

  async function send(url: string, init: RequestInit): Promise<Response> {
    const headers = { 'tus-resumable': '1.0.0', ...(init.headers as Record<string, string>) }
    let response: Response
    try {
      response = await request(url, { ...init, headers })
    } catch (cause) {
      throw new SessionDbError('unavailable', 'The upload did not reach the server.', { cause })
    }
    if (response.ok) return response
    throw await failureOf(response)
  }

  return {
    create: async (metadata, { totalBytes }, signal) =>
      stateOf(
        await send(base, {
          method: 'POST',
          headers: {
            'upload-length': String(totalBytes),
            'upload-metadata': Object.entries(metadata)
              .map(([key, value]) => (value === '' ? key : `${key} ${toBase64(value)}`))
              .join(','),
          },
          signal,
        }),
      ),
    append: async (id, offset, body, signal) =>
      stateOf(
        await send(urlOf(id), {
          method: 'PATCH',
          headers: {
            'content-type': 'application/offset+octet-stream',
            'upload-offset': String(offset),
          },
          body,
          signal,
        }),
      ),
    state: async (id, signal) => stateOf(await send(urlOf(id), { method: 'HEAD', signal })),
    async remove(id) {
      try {
        await send(urlOf(id), { method: 'DELETE' })
      } catch (error) {
        // An upload aborted before its first request does not exist on the server.
        if (!(error instanceof SessionDbError) || error.code !== 'not_found') throw error
      }
    },
  }
}

function stateOf({ headers }: Response): UploadState {
  const offset = Number(headers.get('upload-offset') ?? Number.NaN)
  const status = sessionStatusSchema.safeParse(headers.get('session-status'))
  const id = headers.get('session-id')
  const sessionId = id === null ? undefined : decodeURIComponent(id)
  if (Number.isSafeInteger(offset) && status.success) {
    const mediaType = headers.get('attachment-type')
    return { offset, status: status.data, sessionId, ...(mediaType !== null && { mediaType }) }
  }
  throw new SessionDbError(
    'invalid',
    'The answer from uploadUrl is not that of an upload handler. Check the route.',
  )
}

/** Encodes text of any script in base64, byte by byte: a call takes a limited number of arguments. */
function toBase64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
