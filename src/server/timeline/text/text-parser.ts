import type { EventDraft } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'
import { brokenLineDraft, readJsonLine, unknownLineDraft } from '../json-line.ts'
import type { LogLine } from '../log-lines.ts'
import { defineTimelineParser } from '../timeline-parser.ts'

/**
 * Takes any text, one event per line: for logs of formats that nobody knows. A line that is a JSON
 * object keeps its time and the name of its type.
 */
export const textParser = defineTimelineParser({
  name: 'text',
  format: 'other',
  version: 1,
  detect: () => 0.01,
  create: () => ({ facts: {}, push: draftsOf, finish: () => [] }),
})

function draftsOf(line: LogLine): EventDraft[] {
  if (line.truncated) return [brokenLineDraft(line, line.text)]
  return readJsonLine(line.text).map((part) =>
    'broken' in part ? brokenLineDraft(line, part.broken) : draftValue(part.value),
  )
}

function draftValue(value: unknown): EventDraft {
  if (!isRecord(value)) return unknownLineDraft(value)
  const title = typeof value.type === 'string' ? value.type : 'unknown line'
  return { kind: 'other', title, time: value.timestamp ?? value.ts ?? value.time, data: value }
}
