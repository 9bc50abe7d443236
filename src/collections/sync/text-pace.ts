import type { PartEdit } from '../../schema/streamed-message.ts'

/** A delta of a streamed message, as its shape has it. */
export interface StreamedDelta {
  readonly messageId: string
  readonly seq: number
  readonly delta: string
  readonly part: PartEdit | null
}

/** A delta, or a piece of its text. */
export interface DeltaPiece extends StreamedDelta {
  /** True when the rest of the delta's text follows, false for that rest, undefined for a whole delta. */
  readonly hasMore?: boolean
}

/** The order in which deltas are shown. */
export interface TextPace {
  add(deltas: readonly StreamedDelta[]): void
  /** Forgets what is not shown yet. */
  stop(): void
}

const TICK_MS = 50
/** Text that arrives more often than this is shown as it arrives, in ms. */
const MIN_SPREAD_MS = 400
/** Text is never held back longer, in ms. */
const MAX_SPREAD_MS = 1_000
/** Shorter texts are shown whole. */
const MIN_PIECE = 4

/**
 * Shows text evenly: writers flush seldom in a long answer, so text arrives in large pieces. The text of one
 * arrival is spread over the time since the one before; the first is shown immediately.
 *
 * @param show called with deltas and pieces of them, in order
 */
export function createTextPace(show: (pieces: readonly DeltaPiece[]) => void): TextPace {
  let waiting: DeltaPiece[] = []
  let lastArrival = Number.NEGATIVE_INFINITY
  let due = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function tick(): void {
    timer = undefined
    const left = due - performance.now()
    const length = waiting.reduce((sum, { delta }) => sum + delta.length, 0)
    const ticks = Math.max(1, Math.ceil(left / TICK_MS))
    const pieces = take(Math.max(MIN_PIECE, Math.ceil(length / ticks)))
    show(pieces)
    schedule()
  }

  function schedule(): void {
    if (waiting.length > 0) timer ??= setTimeout(tick, TICK_MS)
  }

  /** Removes deltas with this much text. An edit without text goes with what is before it. */
  function take(length: number): DeltaPiece[] {
    const pieces: DeltaPiece[] = []
    let left = length
    for (;;) {
      const next = waiting[0]
      if (next === undefined) return pieces
      if (next.delta.length <= left) {
        pieces.push(next)
        waiting.shift()
        left -= next.delta.length
        continue
      }
      if (left > 0) {
        const end = isHighSurrogate(next.delta, left - 1) ? left + 1 : left
        pieces.push({ ...next, delta: next.delta.slice(0, end), hasMore: end < next.delta.length })
        // The edit of the part was made by the piece before.
        const part = next.part === null ? null : { at: next.part.at }
        if (end < next.delta.length)
          waiting[0] = { ...next, delta: next.delta.slice(end), part, hasMore: false }
        else waiting.shift()
      }
      return pieces
    }
  }

  return {
    add(deltas) {
      const now = performance.now()
      const spread = Math.min(now - lastArrival, MAX_SPREAD_MS)
      lastArrival = now
      waiting.push(...deltas)
      due = now + spread
      // After a pause the reader has waited already, and frequent text is even by itself.
      if (spread === MAX_SPREAD_MS || spread < MIN_SPREAD_MS) {
        clearTimeout(timer)
        timer = undefined
        const all = waiting
        waiting = []
        show(all)
      } else schedule()
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
      waiting = []
    },
  }
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0xd800 && code <= 0xdbff
}
