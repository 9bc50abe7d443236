import type { LivePoll } from '../protocol.ts'
import {
  createLeaderDuty,
  createLeaderWatch,
  type LeaderDuty,
  type LeaderTimes,
  type LeaderWatch,
} from './leader.ts'
import {
  connectionBroke,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
  type LiveState,
} from './live-answer.ts'
import type { TabChannel, TabLocks, TabMessage, TabTools } from './tab-messages.ts'

/** Timeouts of the election, in ms. */
export interface TabTimes extends LeaderTimes {
  /** A tab that has not polled for this long leaves. */
  readonly leaveMs: number
}

const TIMES: TabTimes = { lookMs: 1_000, askMs: 2_000, replaceMs: 5_000, leaveMs: 5_000 }

/** Options of `createTabShare`. */
export interface TabShareOptions {
  /** Equal in tabs that may poll for each other, and only there. */
  readonly name: string
  readonly tools: TabTools
  /** True for a response about the credentials rather than the shape. It is not forwarded to other tabs. */
  readonly isRefusal: (answer: LiveAnswer) => boolean
  /** Creates the poller for this tab and, once it is the leader, for the others. */
  readonly createPoller: () => LivePoller
  readonly times?: Partial<TabTimes>
}

/** A poller that shares its connections with other tabs. */
export interface TabShare extends LivePoller {
  state(): LiveState
  /** Leaves, because the page freezes or goes into the back/forward cache. */
  sleep(): void
  /** Joins again and repeats waiting polls. */
  wake(): void
}

/** State of a tab that has joined. */
interface Membership {
  readonly all: TabChannel
  readonly own: TabChannel
  readonly looking: ReturnType<typeof setInterval>
  readonly watch: LeaderWatch
}

/**
 * Creates a tab's share. Tabs that poll queue for one Web Lock; its holder is the leader and polls
 * for all. When the leader goes, the lock passes on, the new leader announces itself, and every tab
 * repeats its waiting polls. Polls contain the offset they continue from, so nothing is lost and
 * nothing arrives twice. A leader that hangs is detected by its silence, and its lock is stolen.
 */
export function createTabShare(options: TabShareOptions): TabShare {
  const { name, tools, isRefusal } = options
  const times = { ...TIMES, ...options.times }
  const self = crypto.randomUUID()
  const channelOf = (tab: string) => tools.openChannel(`${name}/${tab}`)
  const waiting = createWaitingPolls()
  const candidacy = createCandidacy(tools.locks, name, startLeading, deposed)
  let polledAt = 0
  let membership: Membership | undefined
  let leading: { readonly poller: LivePoller; readonly duty: LeaderDuty } | undefined

  function join(): void {
    if (membership !== undefined) return
    const all = tools.openChannel(name)
    const own = channelOf(self)
    all.onmessage = ({ data }) => receiveBroadcast(data)
    own.onmessage = ({ data }) => receiveReply(data)
    const looking = setInterval(look, times.lookMs)
    membership = { all, own, looking, watch: createLeaderWatch(times) }
    candidacy.queue()
  }

  function deposed(): void {
    if (leading === undefined) return
    stopLeading()
    candidacy.queue()
    for (const each of waiting.all()) dispatch(each)
  }

  function startLeading(): void {
    if (leading !== undefined) return
    const poller = options.createPoller()
    leading = { poller, duty: createLeaderDuty(poller, channelOf, isRefusal, resign) }
    membership?.all.postMessage({ type: 'leader', from: self })
    for (const each of waiting.all()) dispatch(each)
  }

  function stopLeading(): void {
    const before = leading
    leading = undefined
    before?.duty.end()
    before?.poller.close()
  }

  /** The server refuses this tab's user; another tab may have fresher credentials. */
  function resign(): void {
    leave()
    if (waiting.count() > 0) queueMicrotask(rejoin)
  }

  function rejoin(): void {
    polledAt = Date.now()
    join()
    for (const each of waiting.all()) dispatch(each)
  }

  function dispatch(each: WaitingPoll): void {
    if (leading === undefined) {
      membership?.all.postMessage({ type: 'poll', from: self, id: each.id, poll: each.poll })
      return
    }
    const leader = leading
    leader.poller.poll(each.poll, each.signal).then(
      (answer) => {
        if (leading === leader) waiting.take(each.id)?.resolve(answer)
        if (leading === leader && isRefusal(answer)) resign()
      },
      (error) => {
        if (leading === leader || each.signal.aborted) waiting.take(each.id)?.reject(error)
      },
    )
  }

  function receiveBroadcast(message: TabMessage): void {
    if (message.type === 'leader') {
      membership?.watch.heard()
      if (leading === undefined) for (const each of waiting.all()) dispatch(each)
      return
    }
    leading?.duty.receive(message)
  }

  function receiveReply(message: TabMessage): void {
    membership?.watch.heard()
    if (message.type === 'answer') waiting.take(message.id)?.resolve(message.answer)
    if (message.type === 'failed') {
      const error = message.plain
        ? new LiveSharingUnavailable('The leading tab cannot share its connection.')
        : connectionBroke()
      waiting.take(message.id)?.reject(error)
    }
  }

  function look(): void {
    const now = Date.now()
    if (waiting.count() > 0) polledAt = now
    if (now - polledAt > times.leaveMs) {
      leave()
      return
    }
    const due = membership?.watch.look(leading === undefined && waiting.count() > 0)
    if (due === 'replace') candidacy.steal()
    if (due === 'ask') membership?.all.postMessage({ type: 'ping', from: self })
  }

  function leave(): void {
    if (membership === undefined) return
    clearInterval(membership.looking)
    stopLeading()
    candidacy.withdraw()
    membership.all.postMessage({ type: 'bye', from: self })
    membership.all.close()
    membership.own.close()
    membership = undefined
  }

  return {
    async poll(poll, signal) {
      signal.throwIfAborted()
      polledAt = Date.now()
      join()
      return waiting.wait(poll, signal, dispatch, (id) => {
        if (leading === undefined) membership?.all.postMessage({ type: 'cancel', from: self, id })
      })
    },
    state() {
      const connections = leading?.poller.state?.().connections ?? 0
      if (membership === undefined) return { connections, role: 'idle' }
      return { connections, role: leading === undefined ? 'follows' : 'leads' }
    },
    sleep: leave,
    wake() {
      if (waiting.count() > 0) rejoin()
    },
    close() {
      leave()
      for (const { id } of waiting.all()) {
        waiting.take(id)?.reject(new LiveSharingUnavailable('This tab has stopped polling.'))
      }
    },
  }
}

/**
 * Creates a tab's candidacy for leader: its place in the queue for the lock.
 *
 * @param onElected called when this tab gets the lock
 * @param onDeposed called when another tab has stolen the lock
 */
function createCandidacy(
  locks: TabLocks,
  name: string,
  onElected: () => void,
  onDeposed: () => void,
) {
  let withdrawing = new AbortController()
  let release = () => {}

  function request(steal: boolean): void {
    const { signal } = withdrawing
    const lead = () =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        release = resolve
        onElected()
      })
    // Rejects when this tab has withdrawn, and when another tab has stolen the lock.
    locks.request(name, steal ? { steal } : { signal }, lead).catch(() => {
      if (!signal.aborted) onDeposed()
    })
  }

  return {
    queue: () => request(false),
    /** Takes the lock from a leader that hangs. */
    steal: () => request(true),
    /** Releases the lock and leaves the queue. */
    withdraw() {
      withdrawing.abort()
      withdrawing = new AbortController()
      release()
      release = () => {}
    },
  }
}

/** A poll without a response yet. */
interface WaitingPoll {
  readonly id: number
  readonly poll: LivePoll
  readonly signal: AbortSignal
  resolve(answer: LiveAnswer): void
  reject(error: unknown): void
}

/** Creates the set of polls that a tab waits for, whichever tab sends them. */
function createWaitingPolls() {
  const waiting = new Map<number, WaitingPoll>()
  let ids = 0

  function take(id: number): WaitingPoll | undefined {
    const found = waiting.get(id)
    waiting.delete(id)
    return found
  }

  return {
    count: () => waiting.size,
    all: () => [...waiting.values()],
    /** Removes a poll; undefined when it is no longer waiting. */
    take,
    /**
     * Adds a poll and waits for its response.
     *
     * @param send called synchronously
     * @param onAborted called when `signal` has ended the wait
     */
    async wait(
      poll: LivePoll,
      signal: AbortSignal,
      send: (waiting: WaitingPoll) => void,
      onAborted: (id: number) => void,
    ): Promise<LiveAnswer> {
      const id = ++ids
      const cancel = () => {
        take(id)?.reject(signal.reason)
        onAborted(id)
      }
      try {
        return await new Promise<LiveAnswer>((resolve, reject) => {
          const each = { id, poll, signal, resolve, reject }
          waiting.set(id, each)
          signal.addEventListener('abort', cancel, { once: true })
          send(each)
        })
      } finally {
        signal.removeEventListener('abort', cancel)
      }
    },
  }
}
