import type { TimelineEvent } from '@org/session-db'
import { dayTitle, duration } from '#/lib/format'

/** Shortest pause that is shown, in ms. */
const PAUSE_MS = 30 * 60 * 1_000

interface TimeMarkProps {
  /** The row before, if it is known. */
  before: TimelineEvent | undefined
  event: TimelineEvent
  isFirst: boolean
}

/** The day that starts with a row, or the pause before it. */
export function TimeMark({ before, event, isFirst }: TimeMarkProps) {
  const [from, to] = [before?.occurredAt, event.occurredAt]
  if (!to || (!from && !isFirst)) return null
  const startsDay = !from || from.toDateString() !== to.toDateString()
  const pause = from ? to.getTime() - from.getTime() : 0
  if (!startsDay && pause < PAUSE_MS) return null
  return (
    <div
      data-testid={startsDay ? 'day' : 'pause'}
      className="flex items-center gap-3 pt-3 pb-2 text-[11px] font-medium text-muted-foreground"
    >
      <span className="h-px flex-1 bg-border" />
      {startsDay ? dayTitle(to) : `${duration(pause)} later`}
      <span className="h-px flex-1 bg-border" />
    </div>
  )
}
