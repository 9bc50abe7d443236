const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })

/** A short point in time: the clock today, the day this year, else the date. */
export function shortTime(date: Date, now = new Date()): string {
  if (date.toDateString() === now.toDateString()) return clock.format(date)
  return (date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date)
}

/** The clock to the second, for events that follow each other closely. */
export function preciseTime(date: Date): string {
  return clockWithSeconds.format(date)
}

/** Day and clock, for tooltips and headings. */
export function fullTime(date: Date): string {
  return `${dayOfYear.format(date)}, ${clockWithSeconds.format(date)}`
}

/** `1 event`, `230 events`. */
export function count(quantity: number, noun: string): string {
  return `${quantity.toLocaleString()} ${noun}${quantity === 1 ? '' : 's'}`
}

/** The first line that says something. */
export function firstLine(text: string): string {
  return text.trimStart().split('\n', 1)[0] ?? ''
}
