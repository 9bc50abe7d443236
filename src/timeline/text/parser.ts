import type { EventDraft } from '../events.ts'
import { brokenLineDraft, isRecord, readJsonLine, unknownLineDraft } from '../json.ts'
import { createDocumentReading } from '../json-document.ts'
import type { LogLine } from '../lines.ts'
import { defineTimelineParser, type TimelineParserRun } from '../parser.ts'

type Reading = Pick<TimelineParserRun, 'push' | 'finish'>

/**
 * The fallback parser for unknown formats. Each line is an event; a JSON object keeps its time and the
 * name of its type. A JSON document over several lines has one event per message or array element.
 */
export const textParser = defineTimelineParser({
  name: 'text',
  format: 'other',
  version: 2,
  detect: () => 0.01,
  create() {
    let reading: Reading | undefined
    return {
      facts: {},
      push(line) {
        reading ??= beginsDocument(line) ? createDocumentReading({ draftsOf }) : linesReading
        return reading.push(line)
      },
      finish: () => reading?.finish() ?? [],
    }
  },
})

const linesReading: Reading = { push: lineDrafts, finish: () => [] }

/** Returns true for a first line that opens an object or array and breaks off where JSON may continue. */
function beginsDocument({ text, truncated }: LogLine): boolean {
  if (truncated || !/^\s*[{[]/.test(text) || !/[{[,:]\s*$/.test(text)) return false
  return readJsonLine(text).every((part) => 'broken' in part)
}

function lineDrafts(line: LogLine): EventDraft[] {
  if (line.truncated) return [brokenLineDraft(line, line.text)]
  return readJsonLine(line.text).map((part) =>
    'broken' in part ? brokenLineDraft(line, part.broken) : draftValue(part.value),
  )
}

const draftsOf = (value: unknown): EventDraft[] => [draftValue(value)]

function draftValue(value: unknown): EventDraft {
  if (!isRecord(value)) return unknownLineDraft(value)
  const { type, role, timestamp, ts, time } = value
  const title = [type, role].find((name) => typeof name === 'string') ?? 'unknown line'
  return { kind: 'other', title, time: timestamp ?? ts ?? time, data: value }
}
