const CONNECTION_LOST = /^(?:ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|ConnectionClosed)$/

/** What is sent to Electric: a URL, and perhaps the ETag the browser holds, or a subset as JSON. */
export interface UpstreamRequest {
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly ifNoneMatch: string | null
  readonly body?: string
  readonly signal: AbortSignal
}

/**
 * Asks Electric. The engine closes a pooled connection after 50 requests, so a request can meet a
 * connection that has just gone: as reading changes nothing, it is sent once more.
 *
 * @throws what `fetch` throws; an `AbortError` when the client has gone.
 */
export async function askUpstream(send: typeof fetch, request: UpstreamRequest): Promise<Response> {
  try {
    return await sendOnce(send, request)
  } catch (error) {
    if (request.signal.aborted || !isConnectionLost(error)) throw error
    return sendOnce(send, request)
  }
}

function sendOnce(send: typeof fetch, request: UpstreamRequest): Promise<Response> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  if (request.ifNoneMatch !== null) headers['if-none-match'] = request.ifNoneMatch
  const { method, signal, body } = request
  if (body !== undefined) headers['content-type'] = 'application/json'
  const rest = body === undefined ? {} : { body }
  return send(request.url, { method, headers, signal, redirect: 'manual', ...rest })
}

/** Whether an established connection broke, as opposed to one that could not be made. */
function isConnectionLost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && CONNECTION_LOST.test(String(cause.code))) return true
  }
  return false
}
