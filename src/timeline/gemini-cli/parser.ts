import type { Amendment, EventDraft } from '../events.ts'
import {
  brokenLineDraft,
  isRecord,
  type JsonRecord,
  listOf,
  readJsonLine,
  unknownLineDraft,
} from '../json.ts'
import { createDocumentReading } from '../json-document.ts'
import { type LogLine, MAX_LINE_LENGTH } from '../lines.ts'
import {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type TimelineParserRun,
} from '../parser.ts'
import { createMessages, type Messages } from './messages.ts'

type Reading = Pick<TimelineParserRun, 'push' | 'finish'>
type Output = EventDraft | Amendment

/** Reads chats of the Gemini CLI: one JSON document, or JSON Lines as since 2026. */
export const geminiCliParser = defineTimelineParser({
  name: 'gemini-cli',
  version: 3,
  longLines: 'split',
  detect,
  create() {
    const facts: SessionFacts = {}
    const messages = createMessages(facts)
    let reading: Reading | undefined
    return {
      facts,
      push(line) {
        reading ??= isJsonLines(line)
          ? createLinesReading(facts, messages)
          : createDocumentReading({
              draftsOf: (value) =>
                isRecord(value) ? messages.add(value) : [unknownMessage(value)],
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

function createLinesReading(facts: SessionFacts, messages: Messages): Reading {
  let pieces: string[] = []
  let length = 0

  function* outputsOf(value: unknown, line: number): Generator<Output> {
    if (!isRecord(value)) {
      yield unknownLineDraft(value)
    } else if ('content' in value || 'toolCalls' in value) {
      yield* messages.write(value, line)
    } else if ('$rewindTo' in value) {
      yield* messages.rewind(value.$rewindTo)
      yield { kind: 'system', role: 'system', title: 'rewind', data: value }
    } else {
      yield* headOf(value, line)
    }
  }

  function* headOf(value: JsonRecord, line: number): Generator<Output> {
    const changes = isRecord(value.$set) ? value.$set : undefined
    readFacts(facts, changes ?? value)
    if (changes === undefined && !('projectHash' in value)) {
      yield unknownLineDraft(value)
      return
    }
    const { messages: checkpoint, ...rest } = changes ?? {}
    const data =
      checkpoint === undefined ? value : { $set: rest, messages: listOf(checkpoint).length }
    yield* messages.flush()
    yield { kind: 'meta', role: 'system', title: 'session', data }
    for (const message of listOf(checkpoint)) {
      if (!isRecord(message)) continue
      for (const output of messages.add(message)) {
        const isRepetition = !('amend' in output) && output.title === 'repeated'
        if (!isRepetition) yield 'amend' in output ? output : { ...output, line }
      }
    }
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
        else yield* outputsOf(part.value, line.number)
      }
    },
    finish: () => messages.flush(),
  }
}

/** Reads the head of a chat. */
function readFacts(facts: SessionFacts, head: JsonRecord): void {
  facts.agentSessionId ??= head.sessionId
  facts.startedAt ??= head.startTime
  if (typeof head.summary === 'string') facts.title = head.summary
}

function unknownMessage(value: unknown): EventDraft {
  return { kind: 'other', title: 'unknown message', data: { value } }
}
