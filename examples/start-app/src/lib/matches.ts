/** A range of a text, as [start, end). */
export type Range = readonly [start: number, end: number]

/** Finds every occurrence of a text, ignoring case. */
export function matchesOf(text: string, query: string): Range[] {
  if (query === '') return []
  const found: Range[] = []
  const pattern = new RegExp(query.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'giu')
  for (const match of text.matchAll(pattern)) {
    found.push([match.index, match.index + match[0].length])
  }
  return found
}

/** Characters shown before and after a match. */
const AROUND = 160

/** A part of a text around its first match, with the matches in it. */
export function excerptOf(text: string, query: string): { text: string; matches: Range[] } {
  const first = matchesOf(text, query)[0]
  const start = Math.max(0, (first?.[0] ?? 0) - AROUND)
  const end = Math.min(text.length, (first?.[1] ?? 0) + AROUND)
  const part = `${start > 0 ? '…' : ''}${text.slice(start, end)}${end < text.length ? '…' : ''}`
  return { text: part, matches: matchesOf(part, query) }
}
