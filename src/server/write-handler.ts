import type { ChatMessage } from '../schema/chat-message.ts'
import type { Principal } from '../schema/principal.ts'
import type { WriteBatchInput } from '../writes/batch.ts'
import { fromWriteFailure, SessionDbError, toWriteFailure } from '../writes/errors.ts'
import type { WriteOutcome, WriteResult } from '../writes/result.ts'
import { type Authenticate, requirePrincipal } from './http/authenticate.ts'
import { failureResponse } from './http/failure-response.ts'
import { isJsonRequest, readJsonBody } from './http/json-body.ts'
import { hidesItsCause, reportError } from './http/report-error.ts'
import type { RequestLimiters } from './http/request-limits.ts'
import { requireOwnOrigin } from './http/request-origin.ts'

export interface WriteOptions {
  /**
   * The roles of messages that the batch may insert, change and append to; all by default. The write
   * handler and `runWrite` pass `['user']`: what a browser writes as `system` or `tool` would be an
   * instruction to the model.
   */
  readonly messageRoles?: readonly ChatMessage['role'][] | undefined
}

/** The part of a session store that applies batches. */
export interface BatchWriter {
  write(principal: Principal, batch: WriteBatchInput, options?: WriteOptions): Promise<WriteResult>
  /** Limits the writes of clients. Without it they are not limited. */
  readonly limiters?: Pick<RequestLimiters, 'writes'>
}

export interface RunWriteOptions extends WriteOptions {
  /** Called with errors the client only sees as `unavailable`. Default `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/**
 * Applies a client's batch and never throws, so a server function can return the outcome as it is. The
 * store's `requestLimits` apply.
 *
 * @param batch The client's batch, not yet validated.
 * @param options.messageRoles The roles of messages that the client may write. Default `['user']`.
 * @example
 * const write = createServerFn({ method: 'POST' })
 *   .validator((batch: WriteBatchInput) => batch)
 *   .middleware([signedIn])
 *   .handler(({ data, context }) => runWrite(store, context.principal, data))
 */
export async function runWrite(
  store: BatchWriter,
  principal: Principal,
  batch: WriteBatchInput,
  options: RunWriteOptions = {},
): Promise<WriteOutcome> {
  const [outcome] = await runWrites(store, principal, [batch], options)
  return outcome as WriteOutcome
}

/**
 * Applies several batches in order, each as its own transaction, and returns their outcomes. A refused batch
 * does not stop the next. Never throws, so a server function can return the outcomes as they are.
 *
 * @param batches The client's batches, not yet validated; at most 500.
 * @param options As in `runWrite`.
 */
export async function runWrites(
  store: BatchWriter,
  principal: Principal,
  batches: readonly WriteBatchInput[],
  options: RunWriteOptions = {},
): Promise<WriteOutcome[]> {
  let leave: (() => void) | undefined
  try {
    leave = await store.limiters?.writes.enter(principal)
    await spendBytes(store, principal, jsonLength(batches))
    return await applyInOrder(store, principal, batches, options)
  } catch (error) {
    return batches.map(() => toWriteFailure(error))
  } finally {
    leave?.()
  }
}

const MAX_BATCHES = 500

const BYTES_PER_MUTATION = 4_096

/** Counts a client's request by its size, because reading and parsing a large one takes time too. */
export function spendBytes(
  store: Pick<BatchWriter, 'limiters'>,
  principal: Principal,
  bytes: number,
): Promise<void> | undefined {
  return store.limiters?.writes.spend(principal, bytes / BYTES_PER_MUTATION)
}

function jsonLength(value: unknown): number {
  try {
    return JSON.stringify(value).length
  } catch {
    // The store refuses values that are not JSON.
    return 0
  }
}

async function applyInOrder(
  store: BatchWriter,
  principal: Principal,
  batches: readonly WriteBatchInput[],
  options: RunWriteOptions,
): Promise<WriteOutcome[]> {
  const outcomes: WriteOutcome[] = []
  for (const [index, batch] of batches.entries()) {
    const outcome =
      index < MAX_BATCHES
        ? await applyOne(store, principal, batch, options)
        : toWriteFailure(new SessionDbError('too_large', `Send at most ${MAX_BATCHES} batches.`))
    outcomes.push(outcome)
  }
  return outcomes
}

async function applyOne(
  store: BatchWriter,
  principal: Principal,
  batch: WriteBatchInput,
  { onError, messageRoles = ['user'] }: RunWriteOptions,
): Promise<WriteOutcome> {
  try {
    await store.limiters?.writes.spend(principal, countMutations(batch))
    return await store.write(principal, batch, { messageRoles })
  } catch (error) {
    if (hidesItsCause(error)) reportError(error, onError)
    return toWriteFailure(error)
  }
}

/** Counts the mutations of a batch that is not yet validated. */
function countMutations(batch: unknown): number {
  const mutations: unknown = Reflect.get(Object(batch), 'mutations')
  return Array.isArray(mutations) ? Math.max(1, mutations.length) : 1
}

/** The default of `maxBodyBytes`. */
export const DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024

export interface WriteHandlerOptions {
  readonly store: BatchWriter
  /** Returns the principal of a request. No principal, or an exception, is answered with 401. */
  readonly authenticate: Authenticate
  /** Maximum size of a body in bytes. Default 8 MiB. */
  readonly maxBodyBytes?: number
  /**
   * The roles of messages that clients may insert, change and append to. Default `['user']`: `assistant`,
   * `system` and `tool` messages come from the server.
   */
  readonly messageRoles?: readonly ChatMessage['role'][]
  /** Origins that may write besides the app's own, such as `https://app.example`. */
  readonly allowedOrigins?: readonly string[]
  /**
   * Called with errors the client only sees as `unavailable` or `unauthenticated`. Default
   * `console.error`.
   */
  readonly onError?: (error: unknown) => void
}

/**
 * Creates a handler for write batches sent as JSON over POST, the counterpart of
 * `createHttpWriteAdapter`. A list of batches is answered with the list of their outcomes. It responds
 * with the result, or with `{ error: { code, message, details? } }` and the status of the code, 429 with
 * Retry-After beyond the store's `requestLimits` included. A body with another content type gets 415, because a form of another
 * site can't send JSON. The handler never rejects.
 *
 * @example
 * const serveWrites = createWriteHandler({ store, authenticate })
 * // in a route: ({ request }) => serveWrites(request)
 */
export function createWriteHandler(
  options: WriteHandlerOptions,
): (request: Request) => Promise<Response> {
  const { store, authenticate, maxBodyBytes = DEFAULT_MAX_BODY_BYTES, onError } = options
  const writeOptions = { onError, messageRoles: options.messageRoles }

  async function apply(request: Request): Promise<Response> {
    requireOwnOrigin(request, options.allowedOrigins ?? [])
    const principal = await requirePrincipal(authenticate, request, (error) =>
      reportError(error, onError),
    )
    // Before the body is read, because reading one takes time too.
    await store.limiters?.writes.spend(principal, 0)
    const leave = await store.limiters?.writes.enter(principal, request.signal)
    try {
      const onRead = (bytes: number) => spendBytes(store, principal, bytes)
      return await answer(principal, await readJsonBody(request, maxBodyBytes, onRead))
    } finally {
      leave?.()
    }
  }

  async function answer(principal: Principal, body: unknown): Promise<Response> {
    const headers = { 'cache-control': 'no-store' }
    const batches = (Array.isArray(body) ? body : [body]) as WriteBatchInput[]
    const outcomes = await applyInOrder(store, principal, batches, writeOptions)
    if (Array.isArray(body)) return Response.json(outcomes, { headers })
    const outcome = outcomes[0] as WriteOutcome
    if ('error' in outcome) return failureResponse(fromWriteFailure(outcome))
    return Response.json(outcome, { headers })
  }

  return async (request) => {
    if (request.method !== 'POST') return refuse(405, 'Send batches with POST.')
    if (!isJsonRequest(request)) return refuse(415, 'Send the batch as application/json.')
    try {
      return await apply(request)
    } catch (error) {
      if (hidesItsCause(error)) reportError(error, onError)
      return failureResponse(error)
    }
  }
}

function refuse(status: 405 | 415, message: string): Response {
  const headers: Record<string, string> = status === 405 ? { allow: 'POST' } : {}
  return failureResponse(new SessionDbError('invalid', message), headers, status)
}
