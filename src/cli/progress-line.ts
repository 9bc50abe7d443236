import type { WriteStream } from 'node:tty'
import { colorsFor } from './colors.ts'

const REDRAW_MS = 80
const PLAIN_MS = 10_000
const BAR_CELLS = 24

/** The progress of one step. */
export interface ProgressStep {
  readonly label: string
  readonly done: number
  /** 0 if unknown. */
  readonly total: number
  /** Formats `done` and `total`. */
  readonly format: (amount: number) => string
}

export interface ProgressLine {
  show(step: ProgressStep): void
  /** Clears the bar. */
  end(): void
}

/**
 * Shows progress: a bar on a terminal, elsewhere a line when a step begins and every ten seconds.
 *
 * @example
 * const progress = createProgressLine(process.stderr)
 * progress.show({ label: 'reading', done: 5, total: 10, format: String })
 */
export function createProgressLine(
  stream: Pick<WriteStream, 'isTTY' | 'columns' | 'write'>,
): ProgressLine {
  const { cyan, dim } = colorsFor(stream)
  let label: string | undefined
  let written = 0
  return {
    show(step) {
      const isNew = step.label !== label
      const wait = stream.isTTY ? REDRAW_MS : PLAIN_MS
      const now = performance.now()
      if (!isNew && now - written < wait) return
      written = now
      label = step.label
      if (!stream.isTTY) {
        stream.write(`${step.label}${step.total > 0 ? ` ${amountText(step)}` : ''}\n`)
        return
      }
      const share = step.total > 0 ? Math.min(1, step.done / step.total) : 0
      const full = Math.round(share * BAR_CELLS)
      const bar = cyan('█'.repeat(full)) + dim('░'.repeat(BAR_CELLS - full))
      const percent = `${Math.floor(share * 100)}%`.padStart(4)
      const text = step.total > 0 ? `${percent}  ${amountText(step)}` : ''
      const room = (stream.columns ?? 80) - BAR_CELLS - text.length - 4
      stream.write(`\r\u001B[K${step.label.slice(0, Math.max(10, room)).padEnd(12)} ${bar} ${text}`)
    },
    end() {
      if (stream.isTTY && label !== undefined) stream.write('\r\u001B[K')
      label = undefined
    },
  }
}

function amountText({ done, total, format }: ProgressStep): string {
  return `${format(done)} of ${format(total)}`
}

/** Formats a number of bytes for people, for example `12 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(0)} kB`
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(0)} MB`
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`
}
