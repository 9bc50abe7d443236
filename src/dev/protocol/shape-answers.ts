import type { LogPage } from './change-log.ts'
import { nextCursor } from './cursor.ts'
import { eventStream, eventsOf } from './event-stream.ts'
import type { ProtocolAnswer, ProtocolRequest } from './http-message.ts'
import {
  matches,
  messagesAnswer,
  monotonic,
  pageAnswer,
  upToDateMessage,
} from './messages-answer.ts'
import { compareOffsets, type LogOffset } from './offset.ts'
import type { ShapeRequest } from './request-params.ts'
import {
  type AnswerContext,
  etag,
  notModified,
  refetchResponse,
  type ShapeAnswer,
  shapeHeaders,
  subsetHeaders,
} from './responses.ts'
import type { ShapeLog } from './shape-log.ts'
import type { ShapeStore } from './shape-store.ts'
import { snapshotFields } from './snapshot-visibility.ts'
import { type ShapeDefinition, ShapeFailure, type ShapeSource } from './source.ts'
import { letsSubsetsGoFirst } from './subsets-first.ts'
import type { SubsetsUnderWay } from './subsets-under-way.ts'

/** How long answers wait and last, in milliseconds. */
export interface AnswerTimes {
  readonly longPollMs: number
  /** An SSE answer sends a comment after so long without an event. */
  readonly sseKeepAliveMs: number
  /** An SSE answer ends after so long. */
  readonly sseDurationMs: number
  /** How long pages wait after a subset has been answered. */
  readonly subsetLingerMs: number
}

/** A request whose shape is there and whose handle fits it. */
export interface CheckedRequest<Definition extends ShapeDefinition> {
  readonly log: ShapeLog
  readonly definition: Definition
  /** As the database has it now: what it says may change while the shape lives, nullability for one. */
  readonly schema: string
  readonly request: ShapeRequest
  readonly context: AnswerContext
}

/**
 * The four ways in which a shape is answered: pages of its log, `offset=now`, a subset, events.
 *
 * @example
 * const answers = createShapeAnswers(source, store, times, createSubsetsUnderWay(50))
 * return answers.log(checked, request)
 */
export function createShapeAnswers<Definition extends ShapeDefinition, Subset>(
  source: ShapeSource<Definition, Subset>,
  store: ShapeStore<Definition>,
  times: AnswerTimes,
  subsets: SubsetsUnderWay,
) {
  type Checked = CheckedRequest<Definition>

  /**
   * Whether the log gets to the offset asked for. A client may be ahead for a moment, so that is waited for,
   * half a long poll at most, as the engine does.
   */
  async function reach({ log, request }: Checked, signal: AbortSignal): Promise<boolean> {
    const { offset } = request
    const isReached = () =>
      typeof offset !== 'object' || compareOffsets(offset, log.lastOffset) <= 0
    const deadline = Date.now() + times.longPollMs / 2
    while (!isReached()) {
      const result = await log.wait(deadline - Date.now(), signal)
      if (result === 'expired') return true
      if (result !== 'changed') return false
    }
    return true
  }

  /** A page of the log; a live request waits for it. */
  async function log(
    checked: Checked,
    { signal, headers }: ProtocolRequest,
  ): Promise<ProtocolAnswer> {
    const { log, schema, request, context } = checked
    if (request.offset === 'now') return now(checked)
    let page = await read(log, request.offset)
    if (letsSubsetsGoFirst(request, log, page) && (await subsets.goFirst())) {
      page = await read(log, request.offset)
    }
    const base = { handle: log.handle, requested: request.offset, live: request.live }
    const answerFor = (upToDate: boolean, end: LogOffset): ShapeAnswer => ({
      ...base,
      end,
      upToDate,
      ...(request.live ? { cursor: cursorFor(request) } : { schema }),
    })
    if (matches(headers.get('if-none-match'), etag(answerFor(page.complete, page.end)))) {
      return notModified(context, answerFor(page.complete, page.end))
    }
    while (request.live && page.complete && page.messages.length === 0) {
      const result = await log.wait(times.longPollMs, signal)
      if (result === 'expired') return refetchResponse(context)
      if (result !== 'changed') {
        return messagesAnswer(context, { ...answerFor(true, page.end), monotonic: monotonic() }, [
          upToDateMessage(source.lastSeenLsn(log)),
        ])
      }
      page = await read(log, page.end)
    }
    const answered = answerFor(page.complete, page.end)
    if (!page.complete) return pageAnswer(context, answered, page)
    const upToDate = upToDateMessage(reachedLsn(log, page, request.live))
    return messagesAnswer(context, answered, [...page.messages, upToDate])
  }

  /** Nothing but where the log is now. */
  async function now({ log, schema, request, context }: Checked): Promise<ProtocolAnswer> {
    // Only once the snapshot is taken is every later change sure to be in the log.
    await read(log, 'before-all')
    const answered: ShapeAnswer = {
      handle: log.handle,
      requested: request.offset,
      end: log.lastOffset,
      upToDate: true,
      live: false,
      schema,
      monotonic: monotonic(),
    }
    return messagesAnswer(context, answered, [upToDateMessage(source.lastSeenLsn(log))])
  }

  /** Rows of the shape as a query finds them, whatever the log holds. */
  async function subset(
    { log, definition, schema, request, context }: Checked,
    subset: Subset,
  ): Promise<ProtocolAnswer> {
    const page = await read(log, request.offset === 'now' ? 'before-all' : request.offset)
    const rows = await source.readSubset(definition, subset, log)
    const end = request.offset === 'now' ? log.lastOffset : page.end
    const metadata = {
      ...snapshotFields(rows.snapshot),
      snapshot_mark: rows.mark,
      database_lsn: String(rows.databaseLsn),
    }
    const body = `{"metadata":${JSON.stringify(metadata)},"data":[${rows.messages.join(',')}]}`
    const shown = request.live ? undefined : schema
    const headers = subsetHeaders(context, { handle: log.handle, end, schema: shown })
    return { status: 200, headers, body: context.method === 'HEAD' ? null : body }
  }

  /** The changes that wait, as events and no more; where none does, every change as it comes. */
  async function events(
    { log, request, context }: Checked,
    { signal, headers: asked }: ProtocolRequest,
  ): Promise<ProtocolAnswer> {
    const from = request.offset as LogOffset
    const page = await read(log, from)
    const waiting = page.messages.length > 0
    const answered: ShapeAnswer = {
      handle: log.handle,
      requested: from,
      end: waiting ? page.end : from,
      upToDate: !waiting || page.complete,
      live: true,
      sse: true,
      cursor: cursorFor(request),
    }
    if (matches(asked.get('if-none-match'), etag(answered))) return notModified(context, answered)
    const headers = shapeHeaders(context, answered)
    if (waiting) {
      const end = page.complete ? [upToDateMessage(page.end.tx)] : []
      return { status: 200, headers, body: eventsOf([...page.messages, ...end]) }
    }
    const body = eventStream({
      log,
      from,
      keepAliveMs: times.sseKeepAliveMs,
      durationMs: times.sseDurationMs,
      upToDate: (end) => upToDateMessage(end.tx),
      signal,
    })
    return { status: 200, headers, body }
  }

  /** A page of the log; a shape that fails or expires meanwhile is a 409 or the failure itself. */
  async function read(log: ShapeLog, offset: LogOffset | 'before-all'): Promise<LogPage> {
    try {
      const page = await log.read(offset)
      if (log.state === 'expired') throw new ShapeFailure(409, 'the shape has expired')
      return page
    } catch (error) {
      store.remove(log.handle)
      throw error
    }
  }

  function reachedLsn(log: ShapeLog, page: LogPage, live: boolean): bigint {
    const seen = source.lastSeenLsn(log)
    return live || page.end.tx > seen ? page.end.tx : seen
  }

  function cursorFor(request: ShapeRequest): string {
    return nextCursor(times.longPollMs, request.cursor, Date.now())
  }

  return { reach, log, subset, events }
}
