import type { LogPage } from './change-log.ts'
import type { ProtocolAnswer } from './http-message.ts'
import { type AnswerContext, type ShapeAnswer, shapeHeaders } from './responses.ts'

/** A 200 with messages. */
export function messagesAnswer(
  context: AnswerContext,
  answer: ShapeAnswer,
  messages: readonly string[],
): ProtocolAnswer {
  const headers = shapeHeaders(context, answer)
  const body = context.method === 'HEAD' ? null : `[${messages.join('\n,')}]`
  return { status: 200, headers, body }
}

/** A 200 with a page that is not the last; pages of a snapshot are bytes already. */
export function pageAnswer(
  context: AnswerContext,
  answer: ShapeAnswer,
  page: LogPage,
): ProtocolAnswer {
  if (!page.lend) return messagesAnswer(context, answer, page.messages)
  const headers = shapeHeaders(context, answer)
  if (context.method === 'HEAD') return { status: 200, headers, body: null }
  const { bytes, end } = page.lend()
  return { status: 200, headers, body: bytes, sent: end }
}

/** Says that a client has everything up to an LSN. */
export function upToDateMessage(lsn: bigint): string {
  return `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lsn}"}}`
}

/** Distinguishes answers without changes, which no cache may hold for another. */
export function monotonic(): string {
  return String(Math.round(performance.now() * 1e6))
}

/** Whether an `if-none-match` header names an etag. */
export function matches(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null) return false
  const bare = (text: string) => text.trim().replaceAll('"', '')
  return ifNoneMatch.split(',').some((entry) => bare(entry) === bare(tag))
}
