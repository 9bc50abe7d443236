/**
 * Scripts that write words without spaces: each of their characters is a word of its own for the search.
 * The twin in SQL is `MORE_WORDS` in server/migrations/0001-tables.ts.
 */
export const UNSPACED =
  /[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\u2FDF\u3040-\u30FF\u3130-\u318F\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF]/

const ALL_UNSPACED = new RegExp(UNSPACED.source, 'g')
const WORD = /[\p{L}\p{M}\p{N}]+/gu
const BEYOND_ASCII = /[\u0080-\uFFFF]/
const FOREIGN_PUNCTUATION = /[^\p{L}\p{M}\p{N}\0-\u007F]/u
const HAS_CAMEL = /[a-z0-9][A-Z]/
const CAMEL = /(?<=[a-z0-9])(?=[A-Z])/g
const IDENTIFIER = /[A-Za-z0-9]+/g

/** Most text of the words, in UTF-16 code units. */
const MOST_TEXT = 64_000
/** Longer words are no words: base64, minified code. */
const MAX_WORD = 200
/** Text that is searched for words, in UTF-16 code units. */
const SEARCHED = 2_000_000

/**
 * Returns the words of a text that its search index needs beside those that Postgres finds: the ends of
 * identifiers (`UserById` and `ById` of `getUserById`), the characters of scripts without spaces, and all
 * words after the part that is stored. A prefix then finds any part of an identifier.
 *
 * @param stored length of the part of the text that is stored
 */
export function searchWords(text: string, stored: number): string {
  const words = new Set<string>()
  let size = 0
  const add = (word: string) => {
    if (word.length > MAX_WORD || words.has(word) || size > MOST_TEXT) return
    size += word.length + 1
    words.add(word)
  }
  const searched = text.length > SEARCHED ? text.slice(0, SEARCHED) : text
  for (const [identifier] of searched.matchAll(IDENTIFIER)) {
    if (identifier.length > MAX_WORD || !HAS_CAMEL.test(identifier)) continue
    for (const { index } of identifier.matchAll(CAMEL)) add(identifier.slice(index))
  }
  if (UNSPACED.test(searched))
    for (const [character] of searched.matchAll(ALL_UNSPACED)) add(character)
  // In the locale C, Postgres takes punctuation beyond ASCII for letters.
  if (BEYOND_ASCII.test(searched)) {
    for (const [chunk] of searched.matchAll(/\S+/g)) {
      if (chunk.length > MAX_WORD || !FOREIGN_PUNCTUATION.test(chunk)) continue
      for (const [piece] of chunk.matchAll(WORD)) add(piece)
    }
  }
  if (text.length > stored) {
    // The stored part may end within a word.
    for (const [word] of searched.slice(Math.max(0, stored - MAX_WORD)).matchAll(/\S+/g)) {
      add(word)
      if (word.length > MAX_WORD || /^[A-Za-z0-9]*$/.test(word)) continue
      for (const [piece] of word.matchAll(WORD)) add(piece)
    }
  }
  return [...words].join(' ')
}

/** Splits a text into the words of the search index, in lower case. */
export function indexWords(text: string): string[] {
  const spaced = text.replaceAll(ALL_UNSPACED, ' $& ').toLowerCase()
  return spaced.match(WORD) ?? []
}
