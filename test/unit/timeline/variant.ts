import { expect, test } from 'vitest'
import { chunked, type DerivedLog, deriveLog } from './derive-log.ts'

/**
 * A test of a small log: what is read from it must equal `right`, or match it.
 *
 * @param content the log
 * @param read returns the part of the timeline that the test is about
 */
export function variant(
  name: string,
  content: string | Uint8Array,
  read: (log: DerivedLog) => unknown,
  right: unknown,
): void {
  test(name, async () => {
    const found = read(await deriveLog(chunked(content, 4_000)))
    if (right instanceof RegExp) expect(String(found)).toMatch(right)
    else expect(found).toEqual(right)
  })
}

const messages = ({ events }: DerivedLog, of: string) =>
  events.flatMap(({ kind, role, fold, text }) =>
    kind === 'message' && role === of && fold === null ? [text] : [],
  )
const ofKind = ({ events }: DerivedLog, of: string) => events.filter(({ kind }) => kind === of)

export const prompts = (log: DerivedLog) => messages(log, 'user')
export const answers = (log: DerivedLog) => messages(log, 'assistant')
export const title = ({ summary }: DerivedLog) => summary.title
export const calls = (log: DerivedLog) =>
  ofKind(log, 'tool_call').map(({ toolName, callId }) => [toolName, callId])
/** Texts of results, and whether each has a call. */
export const results = (log: DerivedLog) =>
  ofKind(log, 'tool_result').map(({ text, parentSeq }) => [text, parentSeq !== null])
/** Exit codes of results, and whether each is an error. */
export const exits = (log: DerivedLog) =>
  ofKind(log, 'tool_result').map(({ data }) => [data.exitCode ?? null, data.isError ?? false])
/** Numbers of calls, of results, and of results with a call. */
export const pairs = ({ summary }: DerivedLog) => [
  summary.toolCalls,
  summary.toolResults,
  summary.pairedToolResults,
]
export const changes = (log: DerivedLog) =>
  ofKind(log, 'file_change').map(({ title: path, callId, data }) => [
    ...[path, callId, data.linesAdded, data.linesRemoved],
  ])

/** Joins records and texts to JSON Lines. */
export const lines = (...records: (object | string)[]) =>
  records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n')

export const at = (second: number) =>
  new Date(Date.UTC(2026, 8, 1, 10) + second * 1_000).toISOString()

// Records of Codex.
export const meta = (payload: object = {}, second = 0) => ({
  timestamp: at(second),
  type: 'session_meta',
  payload: { id: 'own', cwd: '/srv/app', ...payload },
})
export const item = (payload: object, second = 1) => ({
  timestamp: at(second),
  type: 'response_item',
  payload,
})
/** A prompt as it was sent to the model. */
export const user = (...texts: string[]) =>
  item({
    type: 'message',
    role: 'user',
    content: texts.map((text) => ({ type: 'input_text', text })),
  })
export const event = (type: string, payload: object = {}, second = 1) => ({
  timestamp: at(second),
  type: 'event_msg',
  payload: { type, ...payload },
})
/** A prompt as the user typed it. */
export const typed = (message: string, second = 1) =>
  event('user_message', { message, images: [] }, second)

let count = 0
/** A line of Claude Code without parent. */
export function line(type: string, content: unknown, more: object = {}) {
  count += 1
  return {
    ...{ sessionId: 's1', parentUuid: null, type, uuid: `line-${count}`, timestamp: at(count) },
    message: { role: type, content },
    ...more,
  }
}
