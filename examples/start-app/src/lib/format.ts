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
