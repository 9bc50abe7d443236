const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })

/** A short time: the clock for today, the day for this year, otherwise the date. */
export function shortTime(date: Date, now = new Date()): string {
  if (date.toDateString() === now.toDateString()) return clock.format(date)
  return (date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date)
}

/** The time with seconds, for events in quick succession. */
export function preciseTime(date: Date): string {
  return clockWithSeconds.format(date)
}

/** Date and time, for tooltips and headings. */
export function fullTime(date: Date): string {
  return `${dayOfYear.format(date)}, ${clockWithSeconds.format(date)}`
}

/** `1 event`, `230 events`. */
export function count(quantity: number, noun: string): string {
  return `${quantity.toLocaleString()} ${noun}${quantity === 1 ? '' : 's'}`
}

/** The first line that is not empty. */
export function firstLine(text: string): string {
  return text.trimStart().split('\n', 1)[0] ?? ''
}

/** `812 B`, `1.4 MB`. */
export function bytes(quantity: number): string {
  if (quantity < 1_000) return `${quantity} B`
  const unit = quantity < 1_000_000 ? 'kB' : 'MB'
  return `${(quantity / (unit === 'kB' ? 1e3 : 1e6)).toFixed(1)} ${unit}`
}

/** The format of `<input type="datetime-local">`, in the user's time zone. */
export function localDateTime(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

const longDay = new Intl.DateTimeFormat(undefined, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
})

/** A day as a heading: `Wednesday, June 17, 2026`. */
export function dayTitle(date: Date): string {
  return longDay.format(date)
}

/** `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${Number((ms / 1_000).toFixed(1))} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60)
    return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours >= 48) return `${Math.round(hours / 24)} days`
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
}

/** `950`, `4.1k`, `1.2M`. */
export function short(quantity: number): string {
  if (quantity < 1_000) return String(quantity)
  if (quantity < 999_950) return `${Number((quantity / 1_000).toFixed(1))}k`
  return `${Number((quantity / 1_000_000).toFixed(1))}M`
}
