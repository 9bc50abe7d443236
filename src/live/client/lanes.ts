import { type LivePoll, placeOf } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'
import { createRecentAnswers } from './recent-answers.ts'

interface Waiter {
  resolve(answer: LiveAnswer): void
  reject(error: unknown): void
}

/** One shape's log being followed, and who waits for its next answer. */
export interface Lane {
  /** What is asked next. */
  poll: LivePoll
  /** Whether a connection follows it. */
  placed: boolean
  answeredAt: number
  readonly waiters: Set<Waiter>
}

/** The lanes of a hub, by the place in a shape's log where each of them is. */
export interface Lanes {
  /** The answer at a place, as soon as there is one; `isNew` when it needs a connection. */
  wait(
    place: string,
    poll: LivePoll,
    signal: AbortSignal,
  ): { readonly answer: Promise<LiveAnswer>; readonly isNew: boolean }
  /** Gives everybody the answer; the lane moves on to `next`, or ends. */
  answer(lane: Lane, answer: LiveAnswer, next?: LivePoll): void
  fail(lane: Lane, error: unknown): void
  failAll(error: unknown): void
  /** Takes a lane off its connection. False when nobody wants it any more: then it ends. */
  release(lane: Lane): boolean
  /** Whether somebody waits for it, or has just been answered and will ask again. */
  isWanted(lane: Lane): boolean
  /** Wanted lanes that no connection follows. */
  unplaced(): Lane[]
}

/** A stream that was answered asks again within this time, in ms, or not at all. */
const BETWEEN_POLLS_MS = 2_000
const MAX_KEPT_BYTES = 512 * 1024

/** Creates an empty set of lanes. */
export function createLanes(): Lanes {
  const byPlace = new Map<string, Lane>()
  const recent = createRecentAnswers()

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
      const kept = recent.get(place)
      if (kept !== undefined) return { answer: Promise.resolve(kept), isNew: false }
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
      // An answer that moves on nowhere is no answer to who asks there next.
      if (nextPlace !== place && answer.body.byteLength <= MAX_KEPT_BYTES) recent.add(place, answer)
      if (isCurrent && !byPlace.has(nextPlace)) byPlace.set(nextPlace, lane)
    },
    fail,
    failAll(error) {
      for (const lane of [...byPlace.values()]) fail(lane, error)
    },
    release(lane) {
      lane.placed = false
      if (isWanted(lane)) return true
      remove(lane)
      return false
    },
    isWanted,
    unplaced: () => [...byPlace.values()].filter((lane) => !lane.placed && isWanted(lane)),
  }
}
