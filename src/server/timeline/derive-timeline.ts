import { boundedJson } from './bounded-json.ts'
import { asCodexLine, type CodexLine } from './codex/codex-line.ts'
import { draftCodexLine } from './codex/draft-codex-line.ts'
import { type CodexRecord, pairTwins } from './codex/pair-twins.ts'
import type { DerivedEvent, EventDraft } from './derived-event.ts'
import { type LogLine, logLines } from './log-lines.ts'
import { boundedText, storableText } from './storable-text.ts'

const TITLE_LIMIT = 300
const MAX_CALL_ID = 128

/** An event and the line it was derived from; `source` is absent where the line was not understood. */
export interface DerivedLine {
  readonly event: DerivedEvent
  readonly source: CodexLine | undefined
}

/**
 * Derives timeline events from a Codex rollout, one per line that is not blank, in the order of the
 * lines. A line that is not JSON, or of no known form, becomes an `other` event with its line
 * number. Streams: memory does not grow with the log.
 *
 * @param bytes the log, in chunks of any size.
 * @example
 * for await (const { event } of deriveTimeline(createReadStream('rollout.jsonl'))) show(event)
 */
export async function* deriveTimeline(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<DerivedLine> {
  for await (const record of pairTwins(codexRecords(bytes))) {
    yield { event: toEvent(record), source: record.source }
  }
}

async function* codexRecords(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CodexRecord> {
  for await (const line of logLines(bytes)) {
    if (line.text.trim() !== '') yield toRecord(line)
  }
}

function toRecord(line: LogLine): CodexRecord {
  const value = parseLine(line)
  const source = asCodexLine(value)
  const draft = source === undefined ? draftUnknown(line, value) : draftCodexLine(source)
  return { line: line.number, timestamp: source?.timestamp, source, draft }
}

function parseLine(line: LogLine): unknown {
  if (line.truncated) return undefined
  try {
    return JSON.parse(line.text)
  } catch {
    return undefined
  }
}

function draftUnknown(line: LogLine, value: unknown): EventDraft {
  if (value !== undefined) return { kind: 'other', title: 'unknown line', data: { value } }
  const title = line.truncated ? 'line too long' : 'not JSON'
  return { kind: 'other', title, text: line.text, data: { unparseable: true } }
}

function toEvent(record: CodexRecord): DerivedEvent {
  const { draft } = record
  let replaced = 0
  const storable = (value: unknown, limit?: number): string | null =>
    typeof value === 'string' ? boundedText(storableText(value, countReplaced), limit) : null
  const countReplaced = (count: number) => {
    replaced += count
  }
  const event = {
    kind: draft.kind,
    role: draft.role ?? null,
    occurredAt: parseTime(record.timestamp),
    title: storable(draft.title, TITLE_LIMIT),
    text: storable(draft.text),
    toolName: storable(draft.toolName, TITLE_LIMIT),
    callId: storable(draft.callId, MAX_CALL_ID),
  }
  const data = boundedJson(draft.data ?? {}, countReplaced)
  const marks = replaced > 0 ? { replacedCharacters: replaced } : {}
  return { ...event, data: { ...data, ...marks, line: record.line } }
}

/** An ISO 8601 time as Codex writes it, within the years that Postgres and JavaScript share. */
export function parseTime(timestamp: unknown): Date | null {
  if (typeof timestamp !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(timestamp)) return null
  const time = new Date(timestamp)
  return Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1 ? null : time
}
