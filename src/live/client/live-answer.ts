import type { LivePoll } from '../protocol.ts'

/** A complete response to a live poll, in a form that can be posted to another tab. */
export interface LiveAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array<ArrayBuffer>
}

/** The shared connections of a tab. */
export interface LiveState {
  /** Open connections of this tab. */
  readonly connections: number
  /**
   * Which tab holds them: this one for all tabs (`leads`), another one (`follows`), this one for itself
   * (`alone`), or none (`idle`).
   */
  readonly role: 'leads' | 'follows' | 'alone' | 'idle'
}

/** Sends live polls over shared connections. */
export interface LivePoller {
  /** Returns the state of the connections, for the devtools. */
  state?(): LiveState
  /**
   * Sends one poll.
   *
   * @throws LiveSharingUnavailable when the poll should be sent as a separate request; what
   * `fetch` throws when the server cannot be reached; the signal's reason.
   */
  poll(poll: LivePoll, signal: AbortSignal): Promise<LiveAnswer>
  /** Closes all connections. Waiting polls fail with `LiveSharingUnavailable`. */
  close(): void
}

/** The poll can't be shared at the moment; send it as a separate request. */
export class LiveSharingUnavailable extends Error {
  override readonly name = 'LiveSharingUnavailable'
}

const BODILESS = [101, 204, 205, 304]

/** Creates the `Response` that `fetch` would have returned. */
export function toResponse({ status, headers, body }: LiveAnswer): Response {
  return new Response(BODILESS.includes(status) ? null : body, {
    status,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  })
}

/** Reads a header. */
export function headerOf({ headers }: LiveAnswer, name: string): string | null {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null
}

/** Creates the error `fetch` would have thrown, which streams retry. */
export function connectionBroke(): TypeError {
  return new TypeError('The connection for live updates broke.')
}
