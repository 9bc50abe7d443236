import { codeOfStatus, SessionDbError } from '../../errors.ts'
import { type Session, type SessionInsert, sessionStatusSchema } from '../../schema/session.ts'
import { fromWriteFailure, writeFailureSchema } from '../../writes/errors.ts'
import type { KeepSignedIn } from '../sync/auth-refresh.ts'
import type { UploadOptions } from './upload-session.ts'

/** What the server says of an upload. */
export interface UploadAnswer {
  /** Bytes that are stored. */
  readonly offset: number
  readonly status: Session['status']
}

/** The requests of the tus protocol that an upload is made of. Every failure is a `SessionDbError`. */
export interface UploadRequests {
  create(session: SessionInsert, totalBytes: number, signal: AbortSignal): Promise<UploadAnswer>
  append(id: string, offset: number, bytes: Blob, signal: AbortSignal): Promise<UploadAnswer>
  state(id: string, signal: AbortSignal): Promise<UploadAnswer>
  remove(id: string): Promise<void>
}

/** @throws SessionDbError `invalid` when nobody said where uploads go. */
export function createUploadRequests(
  options: Partial<UploadOptions>,
  keep: KeepSignedIn,
): UploadRequests {
  if (options.uploadUrl === undefined) {
    const message = 'Give createSessionCollections the uploadUrl of the app’s upload route.'
    throw new SessionDbError('invalid', message)
  }
  const base = options.uploadUrl.replace(/\/+$/, '')
  const urlOf = (id: string) => `${base}/${encodeURIComponent(id)}`

  async function ask(url: string, init: RequestInit): Promise<Response> {
    // Looked up per request: a page may replace fetch after this was made, as mocks do.
    const send = options.fetchClient ?? fetch
    const attempt = async (signIn: Readonly<Record<string, string>>) => {
      const headers = new Headers({
        'tus-resumable': '1.0.0',
        ...(init.headers as Record<string, string>),
        ...(await options.uploadHeaders?.()),
      })
      for (const [name, value] of Object.entries(signIn)) headers.set(name, value)
      return await send(url, { ...init, headers })
    }
    let response: Response
    try {
      response = await keep(attempt)
    } catch (cause) {
      throw new SessionDbError('unavailable', 'The upload did not reach the server.', { cause })
    }
    if (response.ok) return response
    throw await failureOf(response)
  }

  return {
    create: async (session, totalBytes, signal) =>
      answerOf(
        await ask(base, {
          method: 'POST',
          headers: {
            'upload-length': String(totalBytes),
            'upload-metadata': `session ${toBase64(JSON.stringify(session))}`,
          },
          signal,
        }),
      ),
    append: async (id, offset, body, signal) =>
      answerOf(
        await ask(urlOf(id), {
          method: 'PATCH',
          headers: {
            'content-type': 'application/offset+octet-stream',
            'upload-offset': String(offset),
          },
          body,
          signal,
        }),
      ),
    state: async (id, signal) => answerOf(await ask(urlOf(id), { method: 'HEAD', signal })),
    async remove(id) {
      try {
        await ask(urlOf(id), { method: 'DELETE' })
      } catch (error) {
        // It was aborted before the server had heard of it.
        if (!(error instanceof SessionDbError) || error.code !== 'not_found') throw error
      }
    },
  }
}

function answerOf({ headers }: Response): UploadAnswer {
  const offset = Number(headers.get('upload-offset') ?? Number.NaN)
  const status = sessionStatusSchema.safeParse(headers.get('session-status'))
  if (Number.isSafeInteger(offset) && status.success) return { offset, status: status.data }
  throw new SessionDbError(
    'invalid',
    'What answers at uploadUrl is no upload handler. Check the route.',
  )
}

async function failureOf(response: Response): Promise<SessionDbError> {
  const body: unknown = await response.json().catch(() => undefined)
  const failure = writeFailureSchema.safeParse(body)
  if (failure.success) return fromWriteFailure(failure.data)
  const { status } = response
  if (status === 413) {
    const message = 'A proxy refused a part of the file as too large. Set a smaller partBytes.'
    return new SessionDbError('too_large', message)
  }
  const code = codeOfStatus(status) ?? (status >= 500 ? 'unavailable' : 'invalid')
  return new SessionDbError(code, `The upload route answered ${status}.`)
}

/** Text of any script in base64, in pieces: one call cannot take any number of arguments. */
function toBase64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
