import { createLimiter, type Limiter, type RequestLimit } from './limiter.ts'

/** Limits of the requests of one principal in one process. */
export interface RequestLimits {
  /**
   * Write batches from clients. Each mutation counts as one request, and so does each 4 KiB of a body.
   * Writes of the server, such as streamed answers, are not counted. Default: 2 at a time and 100 waiting;
   * 50 mutations per second after a burst of 500.
   */
  readonly writes: RequestLimit | false
  /**
   * Reads of messages, threads, lists and rows of shapes. Each 100 rows that one may return count as a request.
   * Default: 2 at a time and 200 waiting; 50 per second after a burst of 500.
   */
  readonly reads: RequestLimit | false
  /**
   * Searches, outlines, facets and sums of usage. Default: one at a time and 20 waiting; 10 per second after a
   * burst of 50. Each keeps a processor of the database busy for some time.
   */
  readonly searches: RequestLimit | false
  /** Requests of uploads. Default: 2 at a time and 50 waiting; 20 per second after a burst of 200. */
  readonly uploads: RequestLimit | false
  /** Reads of contents and whole events. Default: 2 at a time and 50 waiting; 20 per second after a burst of 200. */
  readonly contents: RequestLimit | false
}

/**
 * The default limits. One principal uses at most 9 connections at a time, and a pool of `pg` has 10 by
 * default.
 */
export const defaultRequestLimits: RequestLimits = {
  writes: { maxConcurrent: 2, maxWaiting: 100, requestsPerSecond: 50, burst: 500 },
  reads: { maxConcurrent: 2, maxWaiting: 200, requestsPerSecond: 50, burst: 500 },
  searches: { maxConcurrent: 1, maxWaiting: 20, requestsPerSecond: 10, burst: 50 },
  uploads: { maxConcurrent: 2, maxWaiting: 50, requestsPerSecond: 20, burst: 200 },
  contents: { maxConcurrent: 2, maxWaiting: 50, requestsPerSecond: 20, burst: 200 },
}

/** The limiters of a store, which its handlers share. */
export type RequestLimiters = Readonly<Record<keyof RequestLimits, Limiter>>

/**
 * Creates the limiters of a store.
 *
 * @param limits False for none; omitted ones have their defaults.
 * @throws TypeError when a limit is not a number above 0.
 */
export function createRequestLimiters(
  limits: Partial<RequestLimits> | false = {},
): RequestLimiters {
  const limiterOf = (kind: keyof RequestLimits) =>
    createLimiter(limits && (limits[kind] ?? defaultRequestLimits[kind]), `requestLimits.${kind}`)
  return {
    writes: limiterOf('writes'),
    reads: limiterOf('reads'),
    searches: limiterOf('searches'),
    uploads: limiterOf('uploads'),
    contents: limiterOf('contents'),
  }
}
