import { upToDateMessage } from './messages.ts'
import { compareOffsets, type LogOffset } from './offset.ts'
import type { ProtocolRequest, ShapeRequest } from './requests.ts'
import {
  type AnswerContext,
  messagesResponse,
  nextCursor,
  notModifiedResponse,
  type ProtocolAnswer,
  pageResponse,
  refetchResponse,
  type ShapeAnswer,
  shapeHeaders,
  subsetResponse,
} from './responses.ts'
import type { LogPage, ShapeLog } from './shape-log.ts'
import type { ShapeStore } from './shape-store.ts'
import { snapshotFields } from './snapshot-visibility.ts'
import { type ShapeDefinition, ShapeFailure, type ShapeSource } from './source.ts'
import { letsSubsetsGoFirst, type SubsetQueue } from './subsets-first.ts'

/** Durations of answers, in milliseconds. */
export interface AnswerTimes {
  readonly longPollMs: number
  /** An SSE answer sends a comment after this long without an event. */
  readonly sseKeepAliveMs: number
  /** An SSE answer ends after this long. */
  readonly sseDurationMs: number
  /** Pages wait this long after a subset has been answered. */
  readonly subsetLingerMs: number
}

/** A request whose shape exists and whose handle matches it. */
export interface CheckedRequest<Definition extends ShapeDefinition> {
  readonly log: ShapeLog
  readonly definition: Definition
  /** The table's present schema, which can change while the shape lives: nullability, for one. */
  readonly schema: string
  readonly request: ShapeRequest
  readonly context: AnswerContext
}

/** Creates the four ways to answer a shape request: pages of its log, `offset=now`, a subset, SSE. */
export function createShapeAnswers<Definition extends ShapeDefinition, Subset>(
  source: ShapeSource<Definition, Subset>,
  store: ShapeStore<Definition>,
  times: AnswerTimes,
  subsets: SubsetQueue,
) {
  type Checked = CheckedRequest<Definition>

  /**
   * Resolves with whether the log reaches the requested offset. A client can be ahead for a moment, so this
   * waits for half a long poll, as the engine does.
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

  /** Answers with a page of the log. A live request waits until there is one. */
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
    const found = answerFor(page.complete, page.end)
    const notModified = notModifiedResponse(context, found, headers.get('if-none-match'))
    if (notModified) return notModified
    while (request.live && page.complete && page.messages.length === 0) {
      const result = await log.wait(times.longPollMs, signal)
      if (result === 'expired') return refetchResponse(context)
      if (result !== 'changed') {
        const unchanged = { ...answerFor(true, page.end), monotonic: monotonic() }
        return messagesResponse(context, unchanged, [upToDateMessage(source.lastSeenLsn(log))])
      }
      page = await read(log, page.end)
    }
    const answered = answerFor(page.complete, page.end)
    if (!page.complete) return pageResponse(context, answered, page)
    const upToDate = upToDateMessage(reachedLsn(log, page, request.live))
    return messagesResponse(context, answered, [...page.messages, upToDate])
  }

  /** Answers `offset=now` with the end of the log and no rows. */
  async function now({ log, schema, request, context }: Checked): Promise<ProtocolAnswer> {
    // Only after the snapshot is every later change certain to be in the log.
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
    return messagesResponse(context, answered, [upToDateMessage(source.lastSeenLsn(log))])
  }

  /** Answers with rows of the shape read by a query now, independent of the log. */
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
    return subsetResponse(context, { handle: log.handle, end, schema: shown }, body)
  }

  /** Answers an SSE request: with the changes there are, else with a stream of changes as they come. */
  async function events(
    { log, request, context }: Checked,
    { signal, headers: asked }: ProtocolRequest,
  ): Promise<ProtocolAnswer> {
    const from = request.offset as LogOffset
    const page = await read(log, from)
    const hasChanges = page.messages.length > 0
    const answered: ShapeAnswer = {
      handle: log.handle,
      requested: from,
      end: hasChanges ? page.end : from,
      upToDate: !hasChanges || page.complete,
      live: true,
      sse: true,
      cursor: cursorFor(request),
    }
    const notModified = notModifiedResponse(context, answered, asked.get('if-none-match'))
    if (notModified) return notModified
    const headers = shapeHeaders(context, answered)
    const body = hasChanges ? eventsOf(page) : eventStream(log, from, times, signal)
    return { status: 200, headers, body }
  }

  /** Reads a page; throws when the shape fails or expires meanwhile. */
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

function monotonic(): string {
  return String(Math.round(performance.now() * 1e6))
}

/** Writes the messages of a page as SSE events, followed by up-to-date if it ends the log. */
function eventsOf(page: LogPage): string {
  const messages = page.complete ? [...page.messages, upToDateMessage(page.end.tx)] : page.messages
  return messages.map((message) => `data: ${message}\n\n`).join('')
}

/**
 * Streams changes as they come. The stream ends after `sseDurationMs`, when the shape expires, or when the
 * client disconnects.
 */
function eventStream(
  log: ShapeLog,
  from: LogOffset,
  { sseKeepAliveMs, sseDurationMs }: AnswerTimes,
  requestSignal: AbortSignal,
): ReadableStream<Uint8Array> {
  const closed = new AbortController()
  const signal = AbortSignal.any([closed.signal, requestSignal])
  const encoder = new TextEncoder()
  const deadline = Date.now() + sseDurationMs
  let offset = from

  async function nextEvents(): Promise<string | undefined> {
    for (;;) {
      if (log.state === 'expired') return undefined
      const page = await log.read(offset)
      offset = page.end
      if (page.messages.length > 0) return eventsOf(page)
      const left = deadline - Date.now()
      if (left <= 0) return undefined
      const result = await log.wait(Math.min(sseKeepAliveMs, left), signal)
      if (result === 'expired' || result === 'aborted') return undefined
      if (result === 'timeout' && Date.now() < deadline) return ': keep-alive\n\n'
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await nextEvents()
        if (text === undefined) controller.close()
        else controller.enqueue(encoder.encode(text))
      },
      cancel() {
        closed.abort()
      },
    },
    { highWaterMark: 0 },
  )
}
