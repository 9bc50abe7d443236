import { type LiveAnswer, type LivePoller, LiveSharingUnavailable } from './live-answer.ts'
import type { TabChannel, TabMessage } from './tab-messages.ts'

/** The elected tab's work for the other tabs. */
export interface LeaderDuty {
  /** Handles a message from another tab. */
  receive(message: TabMessage): void
  /** Aborts all polls. The other tabs repeat them to the next leader. */
  end(): void
}

/**
 * Creates the leader's side: sends the other tabs' polls, and posts each response to the tab's own
 * channel. A response that refuses the leader's own credentials is not forwarded; it ends the duty.
 *
 * @param channelOf opens the channel of one tab
 * @param isRefusal true for a response about the credentials rather than the shape
 * @param onRefused called when the server refuses the leader's user
 */
export function createLeaderDuty(
  poller: LivePoller,
  channelOf: (tab: string) => TabChannel,
  isRefusal: (answer: LiveAnswer) => boolean,
  onRefused: () => void,
): LeaderDuty {
  const channels = new Map<string, TabChannel>()
  const polling = new Map<string, AbortController>()
  let ended = false

  const send = (tab: string, message: TabMessage) => {
    if (ended) return
    let channel = channels.get(tab)
    if (channel === undefined) {
      channel = channelOf(tab)
      channels.set(tab, channel)
    }
    channel.postMessage(message)
  }

  async function pollFor({ from, id, poll }: TabMessage & { type: 'poll' }): Promise<void> {
    const key = `${from} ${id}`
    if (polling.has(key)) return
    const aborter = new AbortController()
    polling.set(key, aborter)
    try {
      const answer = await poller.poll(poll, aborter.signal)
      if (isRefusal(answer)) onRefused()
      else send(from, { type: 'answer', id, answer })
    } catch (error) {
      if (aborter.signal.aborted) return
      send(from, { type: 'failed', id, plain: error instanceof LiveSharingUnavailable })
    } finally {
      polling.delete(key)
    }
  }

  const forget = (tab: string) => {
    for (const [key, aborter] of polling) if (key.startsWith(`${tab} `)) aborter.abort()
    channels.get(tab)?.close()
    channels.delete(tab)
  }

  return {
    receive(message) {
      if (message.type === 'poll') void pollFor(message)
      else if (message.type === 'cancel') polling.get(`${message.from} ${message.id}`)?.abort()
      else if (message.type === 'ping') send(message.from, { type: 'pong' })
      else if (message.type === 'bye') forget(message.from)
    },
    end() {
      ended = true
      for (const aborter of polling.values()) aborter.abort()
      for (const channel of channels.values()) channel.close()
      channels.clear()
    },
  }
}

/** Timeouts for a silent leader, in ms. */
export interface LeaderTimes {
  /** Interval of `look`. */
  readonly lookMs: number
  /** Silence after which the leader is pinged. */
  readonly askMs: number
  /** Silence after which the leader is replaced. */
  readonly replaceMs: number
}

/** Detects a leader that hangs. */
export interface LeaderWatch {
  /** Call on every message of the leader, and on a change of leader. */
  heard(): void
  /**
   * Decides what to do about the leader; call every `lookMs`.
   *
   * @param needed true while this tab waits for the leader
   */
  look(needed: boolean): 'nothing' | 'ask' | 'replace'
}

/** Creates the watch for a leader that is alive now. */
export function createLeaderWatch({ lookMs, askMs, replaceMs }: LeaderTimes): LeaderWatch {
  let heardAt = Date.now()
  let lookedAt = heardAt

  return {
    heard() {
      heardAt = Date.now()
    },
    look(needed) {
      const now = Date.now()
      const slept = now - lookedAt > lookMs + askMs
      lookedAt = now
      if (!needed) {
        heardAt = now
        return 'nothing'
      }
      // After this tab has slept, elapsed time is no evidence against the leader.
      if (slept) heardAt = now - askMs
      const silent = now - heardAt
      if (silent < askMs) return 'nothing'
      if (silent < replaceMs) return 'ask'
      heardAt = now
      return 'replace'
    },
  }
}
