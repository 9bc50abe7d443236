import { type LivePoll, placeOf } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** A stream asks again within this time after a response, in ms, or not at all. */
const BETWEEN_POLLS_MS = 2_000
const MAX_CACHED_ANSWER_BYTES = 512 * 1024
const CACHE_MS = 10_000
const MAX_CACHE_BYTES = 2 * 1024 * 1024

interface Waiter {
  resolve(answer: LiveAnswer): void
  reject(error: unknown): void
}

/** One shape's log being followed, and the streams that wait for its next response. */
export interface Lane {
  /** The next poll. */
  poll: LivePoll
  /** True while a connection follows it. */
  placed: boolean
  answeredAt: number
  readonly waiters: Set<Waiter>
}

/** The lanes of a hub, by their place in a shape's log. */
export interface Lanes {
  /** Waits for the response at a place; `isNew` when the lane needs a connection. */
  wait(
    place: string,
    poll: LivePoll,
    signal: AbortSignal,
  ): { readonly answer: Promise<LiveAnswer>; readonly isNew: boolean }
  /** Resolves all waiters of a lane. The lane moves on to `next`, or ends. */
  answer(lane: Lane, answer: LiveAnswer, next?: LivePoll): void
  fail(lane: Lane, error: unknown): void
  failAll(error: unknown): void
  /** Takes a lane off its connection. A lane that is no longer wanted is removed. */
  release(lane: Lane): void
  /** True while a stream waits for it, or was answered so recently that it may ask again. */
  isWanted(lane: Lane): boolean
  /** Wanted lanes without a connection. */
  unplaced(): Lane[]
}

/** Creates an empty set of lanes. */
export function createLanes(): Lanes {
  const byPlace = new Map<string, Lane>()
  const cache = createAnswerCache()

  const isWanted = (lane: Lane) =>
    byPlace.get(placeOf(lane.poll)) === lane &&
    (lane.waiters.size > 0 || Date.now() - lane.answeredAt < BETWEEN_POLLS_MS)

  const remove = (lane: Lane) => {
    const place = placeOf(lane.poll)
    if (byPlace.get(place) === lane) byPlace.delete(place)
  }
  const takeWaiters = (lane: Lane) => {
    const waiters = [...lane.waiters]
    lane.waiters.clear()
    return waiters
  }
  const fail = (lane: Lane, error: unknown) => {
    remove(lane)
    for (const waiter of takeWaiters(lane)) waiter.reject(error)
  }

  return {
    wait(place, poll, signal) {
      const cached = cache.get(place)
      if (cached !== undefined) return { answer: Promise.resolve(cached), isNew: false }
      const found = byPlace.get(place)
      const lane = found ?? { poll, placed: false, answeredAt: 0, waiters: new Set<Waiter>() }
      byPlace.set(place, lane)
      const answer = new Promise<LiveAnswer>((resolve, reject) => {
        const leave = () => {
          lane.waiters.delete(waiter)
          reject(signal.reason)
        }
        const waiter: Waiter = {
          resolve(value) {
            signal.removeEventListener('abort', leave)
            resolve(value)
          },
          reject(error) {
            signal.removeEventListener('abort', leave)
            reject(error)
          },
        }
        lane.waiters.add(waiter)
        signal.addEventListener('abort', leave, { once: true })
      })
      return { answer, isNew: !lane.placed }
    },
    answer(lane, answer, next) {
      const place = placeOf(lane.poll)
      const isCurrent = byPlace.get(place) === lane
      remove(lane)
      for (const waiter of takeWaiters(lane)) waiter.resolve(answer)
      if (next === undefined) return
      const nextPlace = placeOf(next)
      lane.poll = next
      lane.answeredAt = Date.now()
      // A response that did not move on must not be served to the next poll at the same place.
      const isCacheable = nextPlace !== place && answer.body.byteLength <= MAX_CACHED_ANSWER_BYTES
      if (isCacheable) cache.add(place, answer)
      if (isCurrent && !byPlace.has(nextPlace)) byPlace.set(nextPlace, lane)
    },
    fail,
    failAll(error) {
      for (const lane of [...byPlace.values()]) fail(lane, error)
    },
    release(lane) {
      lane.placed = false
      if (!isWanted(lane)) remove(lane)
    },
    isWanted,
    unplaced: () => [...byPlace.values()].filter((lane) => !lane.placed && isWanted(lane)),
  }
}

/**
 * Creates a cache of recent responses by place, for streams that ask a moment late. Logs only grow,
 * so a response at a place stays valid.
 */
function createAnswerCache() {
  const entries = new Map<string, { readonly answer: LiveAnswer; readonly at: number }>()
  let bytes = 0

  const drop = (place: string) => {
    bytes -= entries.get(place)?.answer.body.byteLength ?? 0
    entries.delete(place)
  }
  const dropOld = () => {
    for (const [place, { at }] of entries) {
      if (bytes <= MAX_CACHE_BYTES && Date.now() - at <= CACHE_MS) return
      drop(place)
    }
  }
  return {
    get(place: string): LiveAnswer | undefined {
      dropOld()
      return entries.get(place)?.answer
    },
    add(place: string, answer: LiveAnswer): void {
      drop(place)
      entries.set(place, { answer, at: Date.now() })
      bytes += answer.body.byteLength
      dropOld()
    },
  }
}
