import { type LiveAnswer, type LivePoller, LiveSharingUnavailable } from './live-answer.ts'
import type { TabChannel, TabMessage } from './tab-messages.ts'

/** What the elected tab does for the others. */
export interface LeaderDuty {
  /** Takes a message of another tab. */
  receive(message: TabMessage): void
  /** Stops polling for anybody. They ask the next leader. */
  end(): void
}

/**
 * Polls for other tabs and sends each the answers it asked for, on a channel of its own. An answer
 * that refuses this tab's own credentials is no answer for another tab: it ends the duty.
 *
 * @param channelOf opens the channel on which one tab listens
 * @param isRefusal whether an answer is about who asked and not about what was asked
 * @param onRefused called when the server does not know this tab's user any more
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
