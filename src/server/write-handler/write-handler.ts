import type { Principal } from '../../schema/principal.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import { errorStatus, SessionDbError } from '../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../http/authenticate.ts'
import { failureResponse } from '../http/failure-response.ts'
import { isJsonRequest, readJsonBody } from '../http/json-body.ts'
import { requireOwnOrigin } from './request-origin.ts'
import { type BatchWriter, type ErrorLogger, hidesItsCause, report, runWrite } from './run-write.ts'

const DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024

/** Whose batches are applied where. */
export interface WriteHandlerOptions {
  readonly store: BatchWriter
  /** Says who sends a request. Nobody, or an exception, is answered with 401. */
  readonly authenticate: Authenticate
  /** Largest body in bytes; 8 MiB unless given. */
  readonly maxBodyBytes?: number
  /** Origins that may write besides the app's own, such as `https://app.example`. */
  readonly allowedOrigins?: readonly string[]
  /** Hears of errors that the client is only told of as `unavailable` or `unauthenticated`. */
  readonly logger?: ErrorLogger
}

/**
 * Serves write batches as JSON over POST, the counterpart of `createHttpWriteAdapter`: the result
 * with 200, or `{ error: { code, message, details? } }` with the status that says the same. A body
 * that is not declared as JSON gets 415: no other site's form can send one. It never rejects.
 *
 * @example
 * const serveWrites = createWriteHandler({ store, authenticate })
 * // in a route: ({ request }) => serveWrites(request)
 */
export function createWriteHandler(
  options: WriteHandlerOptions,
): (request: Request) => Promise<Response> {
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES

  async function answer(request: Request): Promise<Response> {
    requireOwnOrigin(request, options.allowedOrigins ?? [])
    const principal = await requirePrincipal(options.authenticate, request, (error) =>
      report(options.logger, error, null),
    )
    const body = await readJsonBody(request, maxBodyBytes)
    return applied(principal, body as WriteBatchInput)
  }

  async function applied(principal: Principal, batch: WriteBatchInput): Promise<Response> {
    const outcome = await runWrite(options.store, principal, batch, { logger: options.logger })
    const status = 'error' in outcome ? errorStatus[outcome.error.code] : 200
    return Response.json(outcome, { status, headers: { 'cache-control': 'no-store' } })
  }

  return async (request) => {
    if (request.method !== 'POST') return refuse(405, 'Batches are sent with POST.')
    if (!isJsonRequest(request)) return refuse(415, 'Send the batch as application/json.')
    try {
      return await answer(request)
    } catch (error) {
      if (hidesItsCause(error)) report(options.logger, error, null)
      return failureResponse(error)
    }
  }
}

function refuse(status: 405 | 415, message: string): Response {
  const headers: Record<string, string> = status === 405 ? { allow: 'POST' } : {}
  return failureResponse(new SessionDbError('invalid', message), headers, status)
}
