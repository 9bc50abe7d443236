/** Last segment of the batch endpoint's path. No shape can have this name: theirs start with a letter. */
export const LIVE_BATCH_NAME = '_live'

/** Media type of the batch endpoint's response: the frames of `frames.ts`. */
export const LIVE_BATCH_TYPE = 'application/vnd.session-db.live-batch'

/** Maximum number of polls in one batch. */
export const MAX_BATCH_POLLS = 200

/** Response header of the proxy with a digest of the principal that the request was authenticated as. */
export const PRINCIPAL_HEADER = 'session-db-principal'

/** One live request: the shape's name and the query string of a single request for it. */
export interface LivePoll {
  readonly shape: string
  /** Without the question mark. */
  readonly query: string
}

/**
 * Recognises long polls. A stream of events (`live_sse` or its older name) never
 * ends, so it is not one.
 *
 * @param query query string or URL as written by a program: plain names, encoded values
 */
export function isLongPoll(query: string): boolean {
  return /(^|[?&])live=true(&|$)/.test(query) && !query.includes('live_sse=')
}

/** Recognises requests for a stream of events, as `isLongPoll` recognises long polls. */
export function isEventStream(query: string): boolean {
  return query.includes('live_sse=')
}

interface HeaderReader {
  get(name: string): string | null
}

/**
 * Returns the poll that continues where a response ends.
 *
 * @returns undefined when the response lacks handle, offset or cursor, or is not up to date
 */
export function followingPoll(poll: LivePoll, headers: HeaderReader): LivePoll | undefined {
  const handle = headers.get('electric-handle')
  const offset = headers.get('electric-offset')
  const cursor = headers.get('electric-cursor')
  if (handle === null || offset === null || cursor === null) return undefined
  if (headers.get('electric-up-to-date') === null) return undefined
  const query = new URLSearchParams(poll.query)
  query.set('handle', handle)
  query.set('offset', offset)
  query.set('cursor', cursor)
  return { shape: poll.shape, query: query.toString() }
}

/**
 * Returns a key that is equal for polls with the same response. The cursor is left out: it only
 * keeps caches from serving a response twice.
 */
export function placeOf({ shape, query }: LivePoll): string {
  const params = new URLSearchParams(query)
  params.delete('cursor')
  params.sort()
  return `${shape}?${params}`
}
