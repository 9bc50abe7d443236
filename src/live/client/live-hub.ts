import { followingPoll, type LivePoll, MAX_BATCH_POLLS, placeOf } from '../protocol.ts'
import { type BatchConnection, type BatchEnd, openBatch } from './batch-connection.ts'
import { createLanes, type Lane } from './lanes.ts'
import {
  connectionBroke,
  headerOf,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
} from './live-answer.ts'

/** Options of `createLiveHub`. */
export interface LiveHubOptions {
  /** URL of the batch endpoint. */
  readonly url: string
  readonly send: typeof fetch
  /** Headers of a batch, evaluated for each one. */
  readonly headers: () => Promise<Record<string, string>>
  /** Shared by all hubs of a page. */
  readonly support: EndpointSupport
  readonly helloMs?: number
  readonly silenceMs?: number
}

/** Maximum number of connections: a lasting one, and one for polls that arrive later. */
const MAX_CONNECTIONS = 2
/** Minimum time between reopening a connection for new polls, in ms. */
const REOPEN_MS = 100
/** Time for the server to notice that a connection was closed, in ms. */
const CLOSING_MS = 10
/** Two connections are merged when no poll has arrived for this long, in ms. */
const QUIET_MS = 3_000
/** A connection without waiting streams is closed after this time, in ms. Streams ask again quickly. */
const LINGER_MS = 5_000
/** A connection that ends without a response and sooner than this has failed, in ms. */
const WORKED_MS = 1_000

interface Link {
  readonly lanes: Lane[]
  readonly openedAt: number
  connection: BatchConnection
  answered: boolean
}

/**
 * Creates the poller that serves all live polls of a tab over at most two connections. A new poll
 * joins one that waits at the same place of the same shape's log; otherwise it gets a lane on a
 * connection. The server continues each lane, so a stream that asks again finds its lane, or the
 * response that arrived in between. Closing a connection loses nothing: every poll contains the
 * offset it continues from.
 */
export function createLiveHub(options: LiveHubOptions): LivePoller {
  const { support } = options
  const lanes = createLanes()
  const links = new Set<Link>()
  let flushing: ReturnType<typeof setTimeout> | undefined
  let quieting: ReturnType<typeof setTimeout> | undefined
  let lingering: ReturnType<typeof setTimeout> | undefined
  let closed = false

  /** A delay of 0 flushes after the current turn, so that polls of the same turn share a batch. */
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
      const error = new LiveSharingUnavailable('Two connections have no room for more live shapes.')
      for (const lane of lanes.unplaced()) lanes.fail(lane, error)
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
      onAnswer: (index, answer, continues) => take(link, link.lanes[index], answer, continues),
      onBroken(index) {
        const lane = link.lanes[index]
        if (lane !== undefined) lanes.fail(lane, connectionBroke())
      },
      onEnd: (end) => ended(link, end),
    })
    clearTimeout(quieting)
    if (links.size > 1) quieting = setTimeout(mergeLinks, QUIET_MS)
  }

  function take(link: Link, lane: Lane | undefined, answer: LiveAnswer, continues: boolean): void {
    if (lane === undefined) return
    link.answered = true
    support.works()
    const headers = { get: (name: string) => headerOf(answer, name) }
    const next = continues ? followingPoll(lane.poll, headers) : undefined
    lanes.answer(lane, answer, next)
    watchForIdleness()
  }

  function closeLink(link: Link): void {
    links.delete(link)
    link.connection.abort()
    for (const lane of link.lanes) lanes.release(lane)
  }

  function mergeLinks(): void {
    if (links.size < 2) return
    const isBusy = [...links].some(({ connection }) => connection.isBusy())
    const wanted = [...links].flatMap((link) => link.lanes.filter(lanes.isWanted))
    if (wanted.length > MAX_BATCH_POLLS) return
    if (isBusy) {
      quieting = setTimeout(mergeLinks, REOPEN_MS)
      return
    }
    for (const link of links) closeLink(link)
    schedule(CLOSING_MS)
  }

  function ended(link: Link, end: BatchEnd): void {
    const lasted = link.answered || Date.now() - link.openedAt >= WORKED_MS
    links.delete(link)
    const outcome = outcomeOf(end, lasted && link.connection.isAccepted(), support)
    for (const lane of link.lanes) {
      if (outcome === 'poll again') lanes.release(lane)
      else if (outcome instanceof Error) lanes.fail(lane, outcome)
      else lanes.answer(lane, outcome)
    }
    if (outcome === 'poll again') schedule(0)
  }

  function watchForIdleness(): void {
    if (lingering !== undefined || closed) return
    lingering = setTimeout(() => {
      lingering = undefined
      for (const link of links) if (!link.lanes.some(lanes.isWanted)) closeLink(link)
    }, LINGER_MS)
  }

  return {
    state: () => ({ connections: links.size, role: links.size > 0 ? 'alone' : 'idle' }),
    async poll(poll: LivePoll, signal: AbortSignal): Promise<LiveAnswer> {
      signal.throwIfAborted()
      if (closed || !support.isLikely()) {
        throw new LiveSharingUnavailable('The batch endpoint is not available.')
      }
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
      for (const link of [...links]) closeLink(link)
      lanes.failAll(new LiveSharingUnavailable('This tab has stopped polling.'))
    },
  }
}

/**
 * Decides what the end of a batch means for its polls, and records what it shows about the endpoint.
 *
 * @param worked true when the batch was accepted, and had a response or lasted for a while
 */
function outcomeOf(
  end: BatchEnd,
  worked: boolean,
  support: EndpointSupport,
): LiveAnswer | Error | 'poll again' {
  // An endpoint that has worked before is only slow now.
  if (end.reason === 'silent' && !support.hasWorked()) support.isMissing()
  if (end.reason === 'refused') return end.answer
  if (worked) return 'poll again'
  if (end.reason === 'unsupported') support.isMissing()
  else support.failed()
  return support.hasWorked()
    ? connectionBroke()
    : new LiveSharingUnavailable('Live polls cannot share a connection to this server.')
}

/** A page's knowledge of the batch endpoint. */
export interface EndpointSupport {
  /** False while the endpoint counts as missing. */
  isLikely(): boolean
  /** True once it has served a poll. */
  hasWorked(): boolean
  works(): void
  /** The endpoint doesn't exist, or its responses are buffered on the way. It is not tried for 5 minutes. */
  isMissing(): void
  /** The endpoint failed. After three failures in a row it counts as missing, unless it has worked before. */
  failed(): void
}

const RETRY_MS = 5 * 60_000
const MAX_FAILURES = 3

/** Creates the record for an endpoint that has not been tried yet. */
export function createEndpointSupport(now: () => number = Date.now): EndpointSupport {
  let missingUntil = 0
  let failures = 0
  let worked = false
  const isMissing = () => {
    worked = false
    failures = 0
    missingUntil = now() + RETRY_MS
  }
  return {
    isLikely: () => now() >= missingUntil,
    hasWorked: () => worked,
    works() {
      worked = true
      failures = 0
    },
    isMissing,
    failed() {
      failures += 1
      if (!worked && failures >= MAX_FAILURES) isMissing()
    },
  }
}
