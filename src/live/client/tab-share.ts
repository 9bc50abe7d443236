import { connectionBroke } from './batch-verdict.ts'
import { createLeaderDuty, type LeaderDuty } from './leader-duty.ts'
import { createLeaderWatch, type LeaderTimes, type LeaderWatch } from './leader-watch.ts'
import { type LiveAnswer, type LivePoller, LiveSharingUnavailable } from './live-answer.ts'
import { createTabElection } from './tab-election.ts'
import type { TabChannel, TabMessage, TabTools } from './tab-messages.ts'
import { createWaitingPolls, type WaitingPoll } from './waiting-polls.ts'

/** Times of the election, in ms. */
export interface TabTimes extends LeaderTimes {
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

/** What a tab that takes part holds. */
interface Joined {
  readonly all: TabChannel
  readonly own: TabChannel
  readonly looking: ReturnType<typeof setInterval>
  readonly watch: LeaderWatch
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
  const waiting = createWaitingPolls()
  const election = createTabElection(tools.locks, name, startLeading, deposed)
  let polledAt = 0
  let joined: Joined | undefined
  let leading: { readonly poller: LivePoller; readonly duty: LeaderDuty } | undefined

  function join(): void {
    if (joined !== undefined) return
    const all = tools.openChannel(name)
    const own = channelOf(self)
    all.onmessage = ({ data }) => hear(data)
    own.onmessage = ({ data }) => receive(data)
    const looking = setInterval(look, times.lookMs)
    joined = { all, own, looking, watch: createLeaderWatch(times) }
    election.stand()
  }

  function deposed(): void {
    if (leading === undefined) return
    stopLeading()
    election.stand()
    for (const each of waiting.all()) dispatch(each)
  }

  function startLeading(): void {
    if (leading !== undefined) return
    const poller = options.createPoller()
    leading = { poller, duty: createLeaderDuty(poller, channelOf, isRefusal, resign) }
    joined?.all.postMessage({ type: 'leader', from: self })
    for (const each of waiting.all()) dispatch(each)
  }

  function stopLeading(): void {
    const before = leading
    leading = undefined
    before?.duty.end()
    before?.poller.close()
  }

  /** The server no longer knows this tab's user: whoever is next may still be known. */
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
      joined?.all.postMessage({ type: 'poll', from: self, id: each.id, poll: each.poll })
      return
    }
    const leader = leading
    leader.poller.poll(each.poll, each.signal).then(
      (answer) => {
        if (leading === leader) waiting.settle(each.id)?.resolve(answer)
        if (leading === leader && isRefusal(answer)) resign()
      },
      (error) => {
        if (leading === leader || each.signal.aborted) waiting.settle(each.id)?.reject(error)
      },
    )
  }

  /** What is said to all. */
  function hear(message: TabMessage): void {
    if (message.type === 'leader') {
      joined?.watch.heard()
      if (leading === undefined) for (const each of waiting.all()) dispatch(each)
      return
    }
    leading?.duty.receive(message)
  }

  /** What the leader says to this tab. */
  function receive(message: TabMessage): void {
    joined?.watch.heard()
    if (message.type === 'answer') waiting.settle(message.id)?.resolve(message.answer)
    if (message.type === 'failed') {
      const error = message.plain
        ? new LiveSharingUnavailable('The tab that polls cannot share its connection.')
        : connectionBroke()
      waiting.settle(message.id)?.reject(error)
    }
  }

  function look(): void {
    const now = Date.now()
    if (waiting.count() > 0) polledAt = now
    if (now - polledAt > times.leaveMs) {
      leave()
      return
    }
    const due = joined?.watch.look(leading === undefined && waiting.count() > 0)
    if (due === 'replace') election.stand({ steal: true })
    if (due === 'ask') joined?.all.postMessage({ type: 'ping', from: self })
  }

  function leave(): void {
    if (joined === undefined) return
    clearInterval(joined.looking)
    stopLeading()
    election.withdraw()
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
      return waiting.wait(poll, signal, dispatch, (id) => {
        if (leading === undefined) joined?.all.postMessage({ type: 'cancel', from: self, id })
      })
    },
    sleep: leave,
    wake() {
      if (waiting.count() > 0) rejoin()
    },
    close() {
      leave()
      for (const { id } of waiting.all()) {
        waiting.settle(id)?.reject(new LiveSharingUnavailable('Sharing has ended.'))
      }
    },
  }
}
