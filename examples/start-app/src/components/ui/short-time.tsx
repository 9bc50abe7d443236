import { useSyncExternalStore } from 'react'
import { shortTime } from '#/lib/format'

const never = () => () => {}

/** A short time. The server doesn't know the user's time zone, so its HTML only keeps the place. */
export function ShortTime({ date }: { date: Date }) {
  const text = useSyncExternalStore(
    never,
    () => shortTime(date),
    () => '\u2007\u2007 \u2007\u2007\u2007',
  )
  return (
    <time dateTime={date.toISOString()} className="shrink-0">
      {text}
    </time>
  )
}
