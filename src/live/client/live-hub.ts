import { followingPoll, type LivePoll, MAX_BATCH_POLLS, placeOf } from '../protocol.ts'
import { type BatchConnection, type BatchEnd, openBatch } from './batch-connection.ts'
import { connectionBroke, judgeBatchEnd } from './batch-verdict.ts'
import { createLanes, type Lane } from './lanes.ts'
import {
  headerOf,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
} from './live-answer.ts'
import type { Support } from './support.ts'

/** Where a hub sends its batches, and how long it waits. */
export interface LiveHubOptions {
  readonly url: string
  readonly send: typeof fetch
  /** Headers of a batch, asked anew for each. */
  readonly headers: () => Promise<Record<string, string>>
  /** What is known of the endpoint, shared by all hubs of a page. */
  readonly support: Support
  readonly helloMs?: number
  readonly silenceMs?: number
}

/** The most connections at a time: one that stays, and one for polls that come in between. */
const MAX_CONNECTIONS = 2
/** A connection is not re-opened for the sake of new polls more often than this, in ms. */
const REOPEN_MS = 100
/** Time for a closed connection to be closed on the server, too, in ms. */
const CLOSING_MS = 10
/** Two connections become one when no new poll has come for so long, in ms. */
const QUIET_MS = 3_000
/** A connection without anybody waiting is kept for so long, in ms: streams ask again at once. */
const LINGER_MS = 5_000
/** One that ends sooner than this without an answer has not worked, in ms. */
const WORKED_MS = 1_000

interface Link {
  readonly lanes: Lane[]
  readonly openedAt: number
  connection: BatchConnection
  answered: boolean
}

/**
 * Creates what answers all live polls of a tab over at most two connections. A new poll joins one
 * that waits at the same place of the same shape's log; otherwise it gets a lane on a connection.
 * The server asks on for each lane, so a stream that asks again finds its lane, or the answer that
 * has come meanwhile. Closing a connection loses nothing: every poll says where it continues.
 */
export function createLiveHub(options: LiveHubOptions): LivePoller {
  const { support } = options
  const lanes = createLanes()
  const links = new Set<Link>()
  let flushing: ReturnType<typeof setTimeout> | undefined
  let quieting: ReturnType<typeof setTimeout> | undefined
  let lingering: ReturnType<typeof setTimeout> | undefined
  let closed = false

  const isOpen = (link: Link) => links.has(link)

  /** Without a delay at the end of this turn, no timer: there may be polls of the same turn. */
  function schedule(delay: number): void {
    if (flushing !== undefined || closed) return
    if (delay === 0) queueMicrotask(flush)
    else flushing = setTimeout(flush, delay)
  }

  function flush(): void {
    clearTimeout(flushing)
    flushing = undefined
    if (closed || lanes.unplaced().length === 0) return
    if (links.size < MAX_CONNECTIONS) {
      open(lanes.unplaced().slice(0, MAX_BATCH_POLLS))
      if (lanes.unplaced().length > 0) schedule(0)
      return
    }
    const target = linkToReopen(lanes.unplaced().length)
    if (target === undefined) {
      for (const lane of lanes.unplaced()) lanes.fail(lane, tooMany())
      return
    }
    const wait = target.openedAt + REOPEN_MS - Date.now()
    if (wait > 0 || target.connection.isBusy()) {
      schedule(Math.max(wait, CLOSING_MS))
      return
    }
    closeLink(target)
    schedule(CLOSING_MS)
  }

  function linkToReopen(more: number): Link | undefined {
    return [...links]
      .sort((a, b) => a.lanes.length - b.lanes.length)
      .find((link) => link.lanes.filter(lanes.isWanted).length + more <= MAX_BATCH_POLLS)
  }

  function open(some: readonly Lane[]): void {
    const link: Link = {
      lanes: [...some],
      openedAt: Date.now(),
      answered: false,
      connection: { isAccepted: () => false, isBusy: () => false, abort: () => {} },
    }
    links.add(link)
    for (const lane of some) lane.placed = true
    link.connection = openBatch({
      url: options.url,
      send: options.send,
      headers: options.headers,
      polls: some.map(({ poll }) => poll),
      helloMs: options.helloMs ?? 10_000,
      silenceMs: options.silenceMs ?? 40_000,
      onAnswer: (index, answer, goesOn) => take(link, link.lanes[index], answer, goesOn),
      onBroken(index) {
        const lane = link.lanes[index]
        if (lane !== undefined) lanes.fail(lane, connectionBroke())
      },
      onEnd: (end) => ended(link, end),
    })
    clearTimeout(quieting)
    if (links.size > 1) quieting = setTimeout(joinLinks, QUIET_MS)
  }

  function take(link: Link, lane: Lane | undefined, answer: LiveAnswer, goesOn: boolean): void {
    if (lane === undefined) return
    link.answered = true
    support.works()
    const headers = { get: (name: string) => headerOf(answer, name) }
    const next = goesOn ? followingPoll(lane.poll, headers) : undefined
    lanes.answer(lane, answer, next)
    watchForIdleness()
  }

  function closeLink(link: Link): void {
    links.delete(link)
    link.connection.abort()
    for (const lane of link.lanes) lanes.release(lane)
  }

  function joinLinks(): void {
    if (links.size < 2) return
    const isBusy = [...links].some(({ connection }) => connection.isBusy())
    const wanted = [...links].flatMap((link) => link.lanes.filter(lanes.isWanted))
    if (wanted.length > MAX_BATCH_POLLS) return
    if (isBusy) {
      quieting = setTimeout(joinLinks, REOPEN_MS)
      return
    }
    for (const link of links) closeLink(link)
    schedule(CLOSING_MS)
  }

  function ended(link: Link, end: BatchEnd): void {
    const lasted = link.answered || Date.now() - link.openedAt >= WORKED_MS
    links.delete(link)
    const verdict = judgeBatchEnd(end, lasted && link.connection.isAccepted(), support)
    for (const lane of link.lanes) {
      if (verdict.step === 'answer') lanes.answer(lane, verdict.answer)
      else if (verdict.step === 'fail') lanes.fail(lane, verdict.error)
      else lanes.release(lane)
    }
    if (verdict.step === 'ask again') schedule(0)
  }

  function watchForIdleness(): void {
    if (lingering !== undefined || closed) return
    lingering = setTimeout(() => {
      lingering = undefined
      for (const link of links) if (!link.lanes.some(lanes.isWanted)) closeLink(link)
    }, LINGER_MS)
  }

  return {
    async poll(poll: LivePoll, signal: AbortSignal): Promise<LiveAnswer> {
      signal.throwIfAborted()
      if (closed || !support.isLikely()) throw new LiveSharingUnavailable('Not offered here.')
      const { answer, isNew } = lanes.wait(placeOf(poll), poll, signal)
      if (isNew) schedule(0)
      signal.addEventListener('abort', watchForIdleness, { once: true })
      try {
        return await answer
      } finally {
        signal.removeEventListener('abort', watchForIdleness)
      }
    },
    close() {
      closed = true
      for (const timer of [flushing, quieting, lingering]) clearTimeout(timer)
      for (const link of [...links].filter(isOpen)) closeLink(link)
      lanes.failAll(new LiveSharingUnavailable('This tab no longer polls.'))
    },
  }
}

function tooMany(): LiveSharingUnavailable {
  return new LiveSharingUnavailable('There are more live shapes than two connections take.')
}
