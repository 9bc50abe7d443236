import type { EventDraft } from '../events.ts'
import { brokenLineDraft, isRecord, readJsonLine, unknownLineDraft } from '../json.ts'
import { createDocumentReading } from '../json-document.ts'
import { type LogLine, MAX_LINE_LENGTH } from '../lines.ts'
import {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type TimelineParserRun,
} from '../parser.ts'
import { createMessageDrafts, type MessageDrafts } from './messages.ts'

type Value = Readonly<Record<string, unknown>>

/** Reads chats of the Gemini CLI: one JSON document, or JSON Lines as since 2026. */
export const geminiCliParser = defineTimelineParser({
  name: 'gemini-cli',
  format: 'gemini-cli',
  version: 1,
  longLines: 'split',
  detect,
  create() {
    const facts: SessionFacts = {}
    const messages = createMessageDrafts()
    let reading: Pick<TimelineParserRun, 'push' | 'finish'> | undefined
    return {
      facts,
      push(line) {
        reading ??= isJsonLines(line)
          ? createLinesReading(facts, messages)
          : createDocumentReading({
              draftsOf: (value) =>
                isRecord(value) ? messages.draftsOf(value) : [unknownMessage(value)],
              readHead: (head) => readFacts(facts, head),
            })
        return reading.push(line)
      },
      finish: () => reading?.finish() ?? [],
    }
  },
})

function detect({ text, values }: LogStart): number {
  const isHeader = values.some(
    (value) => isRecord(value) && typeof value.projectHash === 'string' && 'sessionId' in value,
  )
  if (isHeader) return 1
  const start = text.slice(0, 2_000)
  if (/^\s*\{/.test(start) && /"projectHash"\s*:/.test(start)) return 0.9
  return /^\s*\[\s*\{\s*"sessionId"\s*:[^}]*"messageId"\s*:/.test(start) ? 0.9 : 0
}

/** A document's first line is not JSON by itself, or it is the whole document. */
function isJsonLines(line: LogLine): boolean {
  if (line.continues) return false
  const [first] = readJsonLine(line.text)
  return (
    first !== undefined && 'value' in first && isRecord(first.value) && !('messages' in first.value)
  )
}

function createLinesReading(
  facts: SessionFacts,
  messages: MessageDrafts,
): Pick<TimelineParserRun, 'push' | 'finish'> {
  let pieces: string[] = []
  let length = 0
  const draftsOf = (value: unknown): Iterable<EventDraft> => {
    if (!isRecord(value)) return [unknownLineDraft(value)]
    if ('content' in value || 'toolCalls' in value) return messages.draftsOf(value)
    readFacts(facts, value)
    const isHeader = '$set' in value || 'projectHash' in value
    return isHeader
      ? [{ kind: 'meta', role: 'system', title: 'session', data: value }]
      : [unknownLineDraft(value)]
  }
  return {
    *push(line) {
      if (length <= MAX_LINE_LENGTH) pieces.push(line.text)
      length += line.text.length
      if (line.continues) return
      const truncated = length > MAX_LINE_LENGTH
      const text = truncated ? (pieces[0] ?? '') : pieces.join('')
      pieces = []
      length = 0
      if (truncated) {
        yield brokenLineDraft({ ...line, truncated }, text)
        return
      }
      for (const part of readJsonLine(text)) {
        if ('broken' in part) yield brokenLineDraft(line, part.broken)
        else yield* draftsOf(part.value)
      }
    },
    finish: () => [],
  }
}

/** What the head of a chat says of the session. */
function readFacts(facts: SessionFacts, head: Value): void {
  facts.agentSessionId ??= head.sessionId
  facts.startedAt ??= head.startTime
}

function unknownMessage(value: unknown): EventDraft {
  return { kind: 'other', title: 'unknown message', data: { value } }
}
