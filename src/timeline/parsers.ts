import { claudeCodeParser } from './claude-code/parser.ts'
import { codexParser } from './codex/parser.ts'
import { geminiCliParser } from './gemini-cli/parser.ts'
import type { LogStart, TimelineParser } from './parser.ts'
import { textParser } from './text/parser.ts'

/** Every parser that the library brings. The last one takes any text. */
export const timelineParsers: readonly TimelineParser[] = [
  codexParser,
  claudeCodeParser,
  geminiCliParser,
  textParser,
]

/**
 * The parser that is surest that a log is its own; of equally sure ones the first, and the last of
 * all where none is.
 *
 * @throws RangeError when there are no parsers.
 */
export function detectParser(start: LogStart, parsers: readonly TimelineParser[]): TimelineParser {
  let best = parsers.at(-1)
  if (best === undefined) throw new RangeError('There are no timeline parsers to choose from.')
  let confidence = 0
  for (const parser of parsers) {
    const own = parser.detect(start)
    if (own > confidence) {
      best = parser
      confidence = own
    }
  }
  return best
}
