import { indexWords, UNSPACED } from '../../timeline/search-words.ts'

/** A word or phrase of a query. */
interface Term {
  readonly text: string
  /** Its words in the index; the last one may go on. */
  readonly words: readonly string[]
}

/** Terms that must all occur, and terms that must not. */
export interface TermGroup {
  readonly all: readonly Term[]
  readonly none: readonly Term[]
}

const TOKEN = /(-?)(?:"([^"]*)"?|(\S+))/g
const MOST_TERMS = 50

/**
 * Reads a query: words that must all occur, `"a phrase"`, `or` between alternatives, `-without`.
 *
 * @returns the alternatives; none when the query has no words
 */
export function parseQuery(query: string): TermGroup[] {
  const groups: { all: Term[]; none: Term[] }[] = [{ all: [], none: [] }]
  let count = 0
  for (const [, minus, phrase, word] of query.matchAll(TOKEN)) {
    const group = groups.at(-1)
    if (group === undefined || count++ >= MOST_TERMS) break
    if (word?.toLowerCase() === 'or' && minus === '') {
      groups.push({ all: [], none: [] })
      continue
    }
    const text = trimmed(phrase ?? word ?? '')
    const words = indexWords(text)
    if (words.length > 0) group[minus === '-' ? 'none' : 'all'].push({ text, words })
  }
  return groups.filter(({ all }) => all.length > 0)
}

/** Removes punctuation around a term, such as a bracket or a stray quote. */
function trimmed(text: string): string {
  return text.replaceAll(/^[^\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]+$/gu, '')
}

/** Returns the text of a tsquery that every match of a group satisfies. */
export function tsqueryOf({ all }: TermGroup): string {
  return all
    .flatMap(({ words }) =>
      words.map((word, index) => {
        const mayGoOn = index === words.length - 1 && !UNSPACED.test(word)
        return mayGoOn ? `${quotedLexeme(word)}:*` : quotedLexeme(word)
      }),
    )
    .join(' & ')
}

/** Quotes a lexeme for the text of a tsquery. */
export function quotedLexeme(lexeme: string): string {
  return `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/** Returns true for a term that its words alone don't decide, because their order matters. */
export function needsCheck({ words }: Term): boolean {
  return words.length > 1
}

/**
 * Returns the pattern of a term for Postgres and JavaScript: its words in order, with any punctuation
 * and blanks between them, from the start of a word or of a part of an identifier.
 */
export function patternOf({ text }: Term): string {
  const parts = text.split(/[\s\p{P}\p{S}]+/u).filter((part) => part !== '')
  return parts
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('[^a-zA-Z0-9]{1,9}')
}

/** Returns the pattern of any wanted term of the groups; empty if there is none. */
export function anyPattern(groups: readonly TermGroup[]): string {
  return groups
    .flatMap(({ all }) => all.map(patternOf))
    .filter((pattern) => pattern !== '')
    .join('|')
}

/** The part of a text around its matches. */
export interface Snippet {
  readonly text: string
  /** Matches in `text`, as [start, end) in UTF-16 code units. */
  readonly matches: readonly (readonly [start: number, end: number])[]
}

const BEFORE = 80
const AFTER = 160

/** Cuts the part of a text around its first match, and finds the matches in it. */
export function snippetOf(text: string, groups: readonly TermGroup[]): Snippet {
  const pattern = anyPattern(groups)
  const any = pattern === '' ? undefined : new RegExp(pattern, 'giu')
  const first = any === undefined ? 0 : Math.max(0, text.search(any))
  const start = wordStart(text, Math.max(0, first - BEFORE))
  const end = Math.min(text.length, wordStart(text, first + AFTER))
  const [before, after] = [start > 0 ? '… ' : '', end < text.length ? ' …' : '']
  const shown = before + text.slice(start, end).trimEnd() + after
  const matches = any === undefined ? [] : [...shown.matchAll(any)]
  return {
    text: shown,
    matches: matches.map(({ 0: found, index }) => [index, index + found.length]),
  }
}

/** Moves a place to the start of the next word, unless that is far. */
function wordStart(text: string, at: number): number {
  if (at === 0 || at >= text.length) return at
  const blank = text.slice(at, at + 30).search(/\s/)
  if (blank >= 0) return at + blank + 1
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at
}
