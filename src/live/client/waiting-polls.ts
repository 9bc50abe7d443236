import type { LivePoll } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** A poll that has not been answered yet. */
export interface WaitingPoll {
  readonly id: number
  readonly poll: LivePoll
  readonly signal: AbortSignal
  resolve(answer: LiveAnswer): void
  reject(error: unknown): void
}

/** The polls that a tab waits for, whoever asks for them. */
export interface WaitingPolls {
  count(): number
  all(): WaitingPoll[]
  /**
   * Resolves with the answer to a new one, once it is settled.
   *
   * @param ask called at once
   * @param onAborted called when `signal` has ended it
   */
  wait(
    poll: LivePoll,
    signal: AbortSignal,
    ask: (waiting: WaitingPoll) => void,
    onAborted: (id: number) => void,
  ): Promise<LiveAnswer>
  /** Takes one out; undefined when it is no longer waited for. */
  settle(id: number): WaitingPoll | undefined
}

/** Creates an empty set. */
export function createWaitingPolls(): WaitingPolls {
  const waiting = new Map<number, WaitingPoll>()
  let ids = 0

  function settle(id: number): WaitingPoll | undefined {
    const found = waiting.get(id)
    waiting.delete(id)
    return found
  }

  return {
    count: () => waiting.size,
    all: () => [...waiting.values()],
    async wait(poll, signal, ask, onAborted) {
      const id = ++ids
      const cancel = () => {
        settle(id)?.reject(signal.reason)
        onAborted(id)
      }
      try {
        return await new Promise<LiveAnswer>((resolve, reject) => {
          const each = { id, poll, signal, resolve, reject }
          waiting.set(id, each)
          signal.addEventListener('abort', cancel, { once: true })
          ask(each)
        })
      } finally {
        signal.removeEventListener('abort', cancel)
      }
    },
    settle,
  }
}
