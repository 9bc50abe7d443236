/** What the protocol reads of a request. A fetch `Request` is one. */
export interface ProtocolRequest {
  readonly method: string
  readonly url: string
  readonly headers: { get(name: string): string | null }
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  text(): Promise<string>
}

/**
 * What the protocol answers. Not a fetch `Response`: to make one and take it apart again costs a server more
 * time and garbage than all the rest of an answer.
 */
export interface ProtocolAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: AnswerBody
  /** Told once the body has been sent, or never will be: its memory may then be used again. */
  readonly sent?: () => void
}

/** A stream where the answer goes on for as long as the client stays. */
export type AnswerBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null

/**
 * The answer as a fetch `Response`.
 *
 * @example
 * const response = toResponse(await answer(request))
 */
export function toResponse({ status, headers, body }: ProtocolAnswer): Response {
  // `Response` adds a content type of its own to a string where there is none.
  const isUntyped = typeof body === 'string' && !headers.has('content-type')
  const sent = isUntyped ? new TextEncoder().encode(body) : body
  return new Response(sent, { status, headers: Object.fromEntries(headers) })
}
