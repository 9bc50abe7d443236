import { LIVE_BATCH_NAME, type LivePoll } from '../protocol.ts'

/** A whole answer to a live poll, in a form that can go to another tab. */
export interface LiveAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array<ArrayBuffer>
}

/** Answers live polls over connections that it shares among them. */
export interface LivePoller {
  /**
   * Answers one poll.
   *
   * @throws LiveSharingUnavailable when the poll should be asked by itself; what `fetch` throws
   * when the server cannot be reached; the signal's reason.
   */
  poll(poll: LivePoll, signal: AbortSignal): Promise<LiveAnswer>
  /** Gives up all connections. Waiting polls fail with `LiveSharingUnavailable`. */
  close(): void
}

/** The poll cannot be shared just now: ask for it by itself. */
export class LiveSharingUnavailable extends Error {
  override readonly name = 'LiveSharingUnavailable'
}

const BODILESS = [101, 204, 205, 304]

/** The answer as `fetch` would have given it. */
export function toResponse({ status, headers, body }: LiveAnswer): Response {
  return new Response(BODILESS.includes(status) ? null : body, {
    status,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  })
}

/** A value of an answer's headers. */
export function headerOf({ headers }: LiveAnswer, name: string): string | null {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null
}

/** Where a batch of polls is posted. */
export function batchUrl(base: string): string {
  return `${base}/${LIVE_BATCH_NAME}`
}
