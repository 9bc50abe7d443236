import type { Amendment, EventDraft } from './events.ts'
import {
  brokenLineDraft,
  isRecord,
  type JsonRecord,
  readJsonLine,
  unknownLineDraft,
} from './json.ts'
import { createDocumentReading, MESSAGE_LISTS } from './json-document.ts'
import type { LogLine } from './lines.ts'
import {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type TimelineParser,
  type TimelineParserRun,
} from './parser.ts'

/** Turns the records of one log into events. */
export interface RecordReader {
  /** Drafts the events of a record: a line of JSON Lines, or a message of a document. */
  drafts(record: JsonRecord): Iterable<EventDraft | Amendment>
  /** Receives the properties beside the messages of a document. */
  head?(head: JsonRecord): void
  finish?(): Iterable<EventDraft | Amendment>
}

/** A format whose logs are JSON Lines or one JSON document, one record per message or event. */
export interface RecordFormat {
  readonly name: string
  readonly version: number
  detect(records: readonly JsonRecord[], start: LogStart): number
  create(facts: SessionFacts): RecordReader
}

/**
 * Defines a parser for records. It deals with broken lines, values that are no objects, and times:
 * a record without time gets that of the record before.
 */
export function defineRecordParser(format: RecordFormat): TimelineParser {
  return defineTimelineParser({
    name: format.name,
    version: format.version,
    detect: (start) => format.detect(start.values.filter(isRecord), start),
    create() {
      const facts: SessionFacts = {}
      const reader = format.create(facts)
      const timed = inheritTime((value) => draftsOf(value, reader))
      let reading: Reading | undefined
      return {
        facts,
        push(line) {
          reading ??= isDocumentStart(line)
            ? createDocumentsReading(timed, (head) => reader.head?.(head))
            : createLinesReading(timed)
          return reading.push(line)
        },
        *finish() {
          yield* reading?.finish() ?? []
          yield* reader.finish?.() ?? []
        },
      }
    },
  })
}

type Reading = Pick<TimelineParserRun, 'push' | 'finish'>

function draftsOf(value: unknown, reader: RecordReader): Iterable<EventDraft | Amendment> {
  return isRecord(value) ? reader.drafts(value) : [unknownLineDraft(value)]
}

/**
 * Returns true for the first line of a JSON document: it opens an object or array and breaks off where JSON
 * may continue, or is the whole document.
 */
export function isDocumentStart({ text, truncated }: LogLine): boolean {
  if (truncated || !/^\s*[{[]/.test(text)) return false
  const parts = readJsonLine(text)
  const [first] = parts
  if (parts.length === 1 && first !== undefined && 'value' in first) {
    const { value } = first
    return isMessageList(value) || (isRecord(value) && hasMessageList(value))
  }
  return /[{[,:]\s*$/.test(text.slice(-100)) && parts.every((part) => 'broken' in part)
}

/** Numbers or texts in an array are no log; an empty list has nothing to open up. */
function isMessageList(value: unknown): boolean {
  return Array.isArray(value) && value.some(isRecord)
}

/** A record of a log may itself have a list. */
function hasMessageList(value: JsonRecord): boolean {
  const isRecordOfLog = 'type' in value || 'role' in value
  const names = isRecordOfLog ? MESSAGE_LISTS.slice(0, 1) : MESSAGE_LISTS
  return names.some((name) => isMessageList(value[name]))
}

type Drafter = (value: unknown) => Iterable<EventDraft | Amendment>

/** Gives events without time that of the event before. */
function inheritTime(draftsOfValue: Drafter): Drafter {
  let lastTime: unknown
  return function* (value) {
    for (const output of draftsOfValue(value)) {
      if ('amend' in output) yield output
      else {
        lastTime = output.time ?? lastTime
        yield { ...output, time: lastTime }
      }
    }
  }
}

/** Creates a reading of documents, one after the other, and of records between them. */
export function createDocumentsReading(
  draftsOfValue: Drafter,
  readHead: (head: JsonRecord) => void,
): Reading {
  const open = () => createDocumentReading({ draftsOf: draftsOfValue, readHead })
  const lines = createLinesReading(draftsOfValue)
  let document = open()
  return {
    *push(line) {
      if (!document.isEnded || !/^\s*[{[]/.test(line.text)) {
        yield* document.push(line)
        return
      }
      yield* document.finish()
      if (!isDocumentStart(line)) {
        yield* lines.push(line)
        return
      }
      document = open()
      yield* document.push(line)
    },
    finish: () => document.finish(),
  }
}

/** Creates a reading of JSON Lines. */
export function createLinesReading(draftsOfValue: Drafter): Reading {
  return {
    *push(line) {
      if (line.truncated) {
        yield brokenLineDraft(line, line.text)
        return
      }
      for (const part of readJsonLine(line.text)) {
        if ('broken' in part) yield brokenLineDraft(line, part.broken)
        else yield* draftsOfValue(part.value)
      }
    },
    finish: () => [],
  }
}
