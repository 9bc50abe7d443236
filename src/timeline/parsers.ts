import { aiderParser } from './agents/aider.ts'
import { chatgptParser } from './agents/chatgpt.ts'
import { claudeAiParser } from './agents/claude-ai.ts'
import { clineParser } from './agents/cline.ts'
import { codexExecParser } from './agents/codex-exec.ts'
import { copilotCliParser } from './agents/copilot-cli.ts'
import { cursorParser } from './agents/cursor.ts'
import { gooseParser } from './agents/goose.ts'
import { opencodeParser } from './agents/opencode.ts'
import { piParser } from './agents/pi.ts'
import { qwenCodeParser } from './agents/qwen-code.ts'
import { claudeCodeParser } from './claude-code/parser.ts'
import { codexParser } from './codex/parser.ts'
import { geminiCliParser } from './gemini-cli/parser.ts'
import type { LogStart, TimelineParser } from './parser.ts'
import { textParser } from './text/parser.ts'

/** The built-in parsers. The last one accepts any text. */
export const timelineParsers: readonly TimelineParser[] = [
  codexParser,
  claudeCodeParser,
  geminiCliParser,
  codexExecParser,
  copilotCliParser,
  cursorParser,
  gooseParser,
  opencodeParser,
  piParser,
  qwenCodeParser,
  clineParser,
  aiderParser,
  chatgptParser,
  claudeAiParser,
  textParser,
]

/** Puts an app's own parsers before the built-in ones. One with the name of a built-in one replaces it. */
export function withOwnParsers(own: readonly TimelineParser[] = []): readonly TimelineParser[] {
  const names = new Set(own.map(({ name }) => name))
  return [...own, ...timelineParsers.filter(({ name }) => !names.has(name))]
}

/**
 * Picks the parser with the highest confidence. Ties go to the first, no confidence at all to the last.
 *
 * @throws RangeError when `parsers` is empty.
 */
export function detectParser(start: LogStart, parsers: readonly TimelineParser[]): TimelineParser {
  let best = parsers.at(-1)
  if (best === undefined) throw new RangeError('parsers is empty. Pass at least one parser.')
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
