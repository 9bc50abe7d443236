/** Last segment of the batch endpoint's path. No shape can have this name: theirs start with a letter. */
export const LIVE_BATCH_NAME = '_live'

/** Media type of the batch endpoint's answer: frames, as `live-frames.ts` has them. */
export const LIVE_BATCH_TYPE = 'application/vnd.session-db.live-batch'

/** The most polls that one batch may hold. */
export const MAX_BATCH_POLLS = 200

/** One live request: the shape's name and the query that a request of its own would have. */
export interface LivePoll {
  readonly shape: string
  /** Without the question mark. */
  readonly query: string
}

/**
 * Whether a request waits for one answer with news; a stream of events, as `live_sse` or its older name
 * asks for, is never over.
 *
 * @param query of a request that a program has written, or its URL: names are plain, and values encoded.
 */
export function isLongPoll(query: string): boolean {
  return /(^|[?&])live=true(&|$)/.test(query) && !query.includes('live_sse=')
}

/** How the headers of an answer are read. */
interface HeaderReader {
  get(name: string): string | null
}

/**
 * The poll that follows an answered one: the same query, from where the answer ends.
 *
 * @returns nothing when the answer does not say where it ends, or is not the end of what there is.
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
 * Says which polls wait for the same answer. The cursor is not part of it: it only keeps caches
 * from answering twice.
 */
export function placeOf({ shape, query }: LivePoll): string {
  const params = new URLSearchParams(query)
  params.delete('cursor')
  params.sort()
  return `${shape}?${params}`
}
