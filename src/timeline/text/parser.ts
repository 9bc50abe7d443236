import type { EventDraft } from '../events.ts'
import { brokenLineDraft, isRecord, listOf, unknownLineDraft } from '../json.ts'
import type { LogLine } from '../lines.ts'
import { defineTimelineParser, type SessionFacts, type TimelineParserRun } from '../parser.ts'
import { createDocumentsReading, createLinesReading, isDocumentStart } from '../records.ts'
import { draftUnknownRecord } from './generic.ts'

type Reading = Pick<TimelineParserRun, 'push' | 'finish'>

/**
 * The fallback parser for unknown formats. Each line is an event; JSON is read by the usual names of its
 * properties. A JSON document has one event per message or array element. A Markdown transcript has one
 * event per section that a role heads.
 */
export const textParser = defineTimelineParser({
  name: 'text',
  format: 'other',
  version: 4,
  detect: () => 0.01,
  create() {
    const facts: SessionFacts = {}
    let reading: Reading | undefined
    return {
      facts,
      push(line) {
        reading ??= readingOf(line, facts)
        return reading.push(line)
      },
      finish: () => reading?.finish() ?? [],
    }
  },
})

function readingOf(line: LogLine, facts: SessionFacts): Reading {
  if (isDocumentStart(line)) {
    return createDocumentsReading(draftsOf, ({ title, name }) => {
      facts.title ??= typeof title === 'string' ? title : name
    })
  }
  return /^\s*[{[]/.test(line.text) ? createLinesReading(draftsOf) : createMarkdownReading()
}

function draftsOf(value: unknown): EventDraft[] {
  if (isRecord(value)) return draftUnknownRecord(value)
  // Lines that are lists of records are opened up.
  const records = listOf(value).filter(isRecord)
  return records.length === 0 ? [unknownLineDraft(value)] : records.flatMap(draftUnknownRecord)
}

/** A heading that names who speaks: `## User`, `**Assistant:**`, `#### _You_`. */
const SPEAKER =
  /^(?:#{1,6} +|\*\*)_?\**(user|human|you|me|prompt|assistant|claude|chatgpt|gpt|gemini|codex|cursor|copilot|ai|bot|agent|model|response)\**_?(?: \([^)]{0,100}\))?:?(?:\*\*)?:?\s*$/i
const USERS: ReadonlySet<string> = new Set(['user', 'human', 'you', 'me', 'prompt'])
/** Lines of a section; a longer one is continued in another event. */
const MAX_SECTION = 3_500

/** Creates a reading of plain text, one event per line, or of the sections of a Markdown transcript. */
function createMarkdownReading(): Reading {
  const lines = createLinesReading(draftsOf)
  let section: { role: string; text: string; line: number; endLine: number } | undefined

  function* flush(): Generator<EventDraft> {
    if (section === undefined) return
    const { text, ...rest } = section
    yield { kind: 'message', text: text.trim(), ...rest }
  }

  return {
    *push(line) {
      const speaker = line.truncated ? undefined : SPEAKER.exec(line.text)?.[1]?.toLowerCase()
      if (speaker !== undefined) {
        yield* flush()
        const role = USERS.has(speaker) ? 'user' : 'assistant'
        section = { role, text: '', line: line.number, endLine: line.number }
      } else if (section === undefined) {
        yield* plainText(line) ?? lines.push(line)
      } else {
        if (section.text.length + line.text.length > MAX_SECTION) {
          yield* flush()
          section = { ...section, text: '', line: line.number }
        }
        section = { ...section, text: `${section.text}${line.text}\n`, endLine: line.number }
      }
    },
    finish: flush,
  }
}

function plainText(line: LogLine): EventDraft[] | undefined {
  return /^\s*[{[]/.test(line.text) ? undefined : [brokenLineDraft(line, line.text)]
}
