import type { LivePoll } from '../../shapes/live-batch.ts'
import { createLeaderDuty, type LeaderDuty } from './leader-duty.ts'
import { type LiveAnswer, type LivePoller, LiveSharingUnavailable } from './live-answer.ts'
import type { TabChannel, TabMessage, TabTools } from './tab-messages.ts'

/** Times of the election, in ms. */
export interface TabTimes {
  /** How often a tab that waits for the leader looks after it. */
  readonly lookMs: number
  /** A leader that was silent for so long is asked whether it is there. */
  readonly askMs: number
  /** One that has not answered after so long is replaced. */
  readonly replaceMs: number
  /** A tab that has not polled for so long takes no part. */
  readonly leaveMs: number
}

const TIMES: TabTimes = { lookMs: 1_000, askMs: 2_000, replaceMs: 5_000, leaveMs: 5_000 }

/** What sharing across tabs needs. */
export interface TabShareOptions {
  /** The same in tabs that may poll for each other, and in no other tab. */
  readonly name: string
  readonly tools: TabTools
  /** Whether an answer is about who asked and not about what was asked: no other tab's business. */
  readonly isRefusal: (answer: LiveAnswer) => boolean
  /** Polls for this tab and, once it is elected, for the others. */
  readonly createPoller: () => LivePoller
  readonly times?: Partial<TabTimes>
}

/** A tab's part in sharing connections with others. */
export interface TabShare extends LivePoller {
  /** Takes no part: the page sleeps, or goes into the back/forward cache. */
  sleep(): void
  /** The page is back: what waits is asked for again. */
  wake(): void
}

interface Waiting {
  readonly id: number
  readonly poll: LivePoll
  readonly signal: AbortSignal
  resolve(answer: LiveAnswer): void
  reject(error: unknown): void
}

/**
 * Creates a tab's part in sharing. Tabs that poll queue for one lock; who holds it is the leader and
 * polls for all. When it goes, the lock passes on, the new leader says so, and every tab asks again
 * for what it waits for: polls say where they continue, so nothing is lost and nothing comes twice.
 * A leader that hangs without going is found by its silence, and its lock is stolen.
 */
export function createTabShare(options: TabShareOptions): TabShare {
  const { name, tools, isRefusal } = options
  const times = { ...TIMES, ...options.times }
  const self = crypto.randomUUID()
  const channelOf = (tab: string) => tools.openChannel(`${name}/${tab}`)
  const waiting = new Map<number, Waiting>()
  let ids = 0
  let heardAt = 0
  let lookedAt = 0
  let polledAt = 0
  let joined: { readonly all: TabChannel; readonly own: TabChannel } | undefined
  let leaving = new AbortController()
  let leading: { readonly poller: LivePoller; readonly duty: LeaderDuty } | undefined
  let release = () => {}
  let looking: ReturnType<typeof setInterval> | undefined

  function join(): void {
    if (joined !== undefined) return
    const all = tools.openChannel(name)
    const own = channelOf(self)
    all.onmessage = ({ data }) => hear(data)
    own.onmessage = ({ data }) => receive(data)
    joined = { all, own }
    heardAt = lookedAt = Date.now()
    leaving = new AbortController()
    queue(false)
    looking = setInterval(look, times.lookMs)
  }

  function queue(steal: boolean): void {
    const { signal } = leaving
    const lead = () =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        release = resolve
        startLeading()
      })
    const asked = tools.locks.request(name, steal ? { steal } : { signal }, lead)
    // It rejects when this tab has left, and when another one has taken the lock away from it.
    asked.catch(() => {
      if (signal.aborted || leading === undefined) return
      stopLeading()
      queue(false)
      for (const each of waiting.values()) dispatch(each)
    })
  }

  function startLeading(): void {
    if (leading !== undefined) return
    const poller = options.createPoller()
    leading = { poller, duty: createLeaderDuty(poller, channelOf, isRefusal, resign) }
    joined?.all.postMessage({ type: 'leader', from: self })
    for (const each of waiting.values()) dispatch(each)
  }

  function stopLeading(): void {
    const before = leading
    leading = undefined
    before?.duty.end()
    before?.poller.close()
    release()
    release = () => {}
  }

  /** The server no longer knows this tab's user: whoever is next may still be known. */
  function resign(): void {
    leave()
    if (waiting.size > 0) queueMicrotask(rejoin)
  }

  function rejoin(): void {
    polledAt = Date.now()
    join()
    for (const each of waiting.values()) dispatch(each)
  }

  function dispatch(each: Waiting): void {
    if (leading === undefined) {
      joined?.all.postMessage({ type: 'poll', from: self, id: each.id, poll: each.poll })
      return
    }
    const leader = leading
    leader.poller.poll(each.poll, each.signal).then(
      (answer) => {
        if (leading === leader) settle(each.id)?.resolve(answer)
        if (leading === leader && isRefusal(answer)) resign()
      },
      (error) => {
        if (leading === leader || each.signal.aborted) settle(each.id)?.reject(error)
      },
    )
  }

  function settle(id: number): Waiting | undefined {
    const found = waiting.get(id)
    waiting.delete(id)
    return found
  }

  /** What is said to all. */
  function hear(message: TabMessage): void {
    if (message.type === 'leader') {
      heardAt = Date.now()
      if (leading === undefined) for (const each of waiting.values()) dispatch(each)
      return
    }
    leading?.duty.receive(message)
  }

  /** What the leader says to this tab. */
  function receive(message: TabMessage): void {
    heardAt = Date.now()
    if (message.type === 'answer') settle(message.id)?.resolve(message.answer)
    if (message.type === 'failed') {
      const error = message.plain
        ? new LiveSharingUnavailable('The tab that polls cannot share its connection.')
        : new TypeError('The connection for live updates broke.')
      settle(message.id)?.reject(error)
    }
  }

  function look(): void {
    const now = Date.now()
    const slept = now - lookedAt > times.lookMs + times.askMs
    lookedAt = now
    if (waiting.size > 0) polledAt = now
    if (now - polledAt > times.leaveMs) {
      leave()
      return
    }
    if (leading !== undefined || waiting.size === 0) {
      heardAt = now
      return
    }
    // After a sleep of this tab its clock says nothing about the leader.
    if (slept) heardAt = now - times.askMs
    const silent = now - heardAt
    if (silent >= times.replaceMs) {
      heardAt = now
      queue(true)
    } else if (silent >= times.askMs) {
      joined?.all.postMessage({ type: 'ping', from: self })
    }
  }

  function leave(): void {
    if (joined === undefined) return
    clearInterval(looking)
    leaving.abort()
    stopLeading()
    joined.all.postMessage({ type: 'bye', from: self })
    joined.all.close()
    joined.own.close()
    joined = undefined
  }

  return {
    async poll(poll, signal) {
      signal.throwIfAborted()
      polledAt = Date.now()
      join()
      const id = ++ids
      const cancel = () => {
        settle(id)?.reject(signal.reason)
        if (leading === undefined) joined?.all.postMessage({ type: 'cancel', from: self, id })
      }
      try {
        return await new Promise<LiveAnswer>((resolve, reject) => {
          const each = { id, poll, signal, resolve, reject }
          waiting.set(id, each)
          signal.addEventListener('abort', cancel, { once: true })
          dispatch(each)
        })
      } finally {
        signal.removeEventListener('abort', cancel)
      }
    },
    sleep: leave,
    wake() {
      if (waiting.size > 0) rejoin()
    },
    close() {
      leave()
      for (const { id } of waiting.values()) {
        settle(id)?.reject(new LiveSharingUnavailable('Sharing has ended.'))
      }
    },
  }
}
