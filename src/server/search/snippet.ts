const START = '\uE000'
const END = '\uE001'

/** Marks found words with characters of the private use area, which no text of a log should have. */
export const SNIPPET_OPTIONS = `StartSel=${START}, StopSel=${END}, MaxWords=35, MinWords=15, MaxFragments=2, FragmentDelimiter=" … "`

/** The part of a text around what was found. */
export interface Snippet {
  readonly text: string
  /** Where the found words are in `text`, as [start, end) in UTF-16 code units. */
  readonly matches: readonly (readonly [start: number, end: number])[]
}

/** Takes the marks out of a headline: what to highlight is data, never markup. */
export function toSnippet(headline: string): Snippet {
  let text = ''
  let start: number | undefined
  const matches: [number, number][] = []
  for (const part of headline.split(/([\uE000\uE001])/)) {
    if (part === START) start = text.length
    else if (part === END && start !== undefined) {
      matches.push([start, text.length])
      start = undefined
    } else if (part !== END) text += part
  }
  return { text, matches }
}
