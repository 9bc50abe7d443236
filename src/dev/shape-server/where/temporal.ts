import type { PgType } from './expression.ts'

const date = String.raw`(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})`
const time = String.raw`(?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})(?:[.,]\d+)?`
const offset = String.raw`(?:Z|[+-]\d{2}(?::?\d{2})?)`
const forms: Record<string, RegExp> = {
  date: new RegExp(`^\\s*${date}\\s*$`),
  time: new RegExp(`^\\s*${time}(?<half>\\s*[AP]M)?\\s*$`, 'i'),
  timestamp: new RegExp(`^${date}[ T]${time}${offset}?$`),
  timestamptz: new RegExp(`^${date}[ T]${time}(?!-00:?00$|-00$)${offset}$`),
}
const limits = { month: [1, 12], hour: [0, 23], minute: [0, 59], second: [0, 59] } as const

/**
 * Whether a literal is a date or time as the engine reads it: ISO 8601 with seconds, and a day that exists.
 *
 * @returns undefined for types that are no dates or times.
 * @example
 * isTemporalLiteral('2024-02-30', 'date') // false
 */
export function isTemporalLiteral(value: string, type: PgType): boolean | undefined {
  const form = forms[type]
  if (!form) return undefined
  if (value === 'epoch') return type !== 'time'
  const parts = form.exec(value)?.groups
  if (!parts) return false
  for (const [name, [low, high]] of Object.entries(limits)) {
    const part = parts[name]
    if (part !== undefined && (Number(part) < low || Number(part) > high)) return false
  }
  if (parts.half !== undefined && Number(parts.hour) > 12) return false
  return parts.day === undefined || dayExists(Number(parts.year), Number(parts.month), parts.day)
}

function dayExists(year: number, month: number, day: string): boolean {
  // Day 0 of the next month is the last of this one; years below 100 would be read as 19xx.
  const last = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
  return year > 0 && Number(day) >= 1 && Number(day) <= last
}
