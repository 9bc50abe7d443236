import { Tokenizer, TokenParser, TokenType } from '@streamparser/json'
import { type Amendment, boundedJson, type EventDraft } from './events.ts'
import type { LogLine } from './lines.ts'
import type { TimelineParserRun } from './parser.ts'

/** Longest message in bytes; a document counts as broken from a longer one on. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024
/** Deepest nesting; a document counts as broken from there on. */
const MAX_DEPTH = 2_000
/** Unreadable text per event, in UTF-16 code units. */
const REST_LENGTH = 3_500
/** Maximum properties of the document's head. */
const HEAD_PROPERTIES = 100

/** Names of the list of a document's messages. */
export const MESSAGE_LISTS: readonly string[] = [
  ...['messages', 'conversation', 'conversations', 'history', 'turns', 'transcript', 'entries'],
  ...['chat_history', 'chatHistory', 'events'],
]
const PATHS = ['$.*', ...MESSAGE_LISTS.map((name) => `$.${name}.*`)]

/** Callbacks for the parts of a document. */
interface DocumentParts {
  /** Creates the events of one message. */
  draftsOf(message: unknown): Iterable<EventDraft | Amendment>
  /** Receives the properties beside the messages, bounded, at the end of the document. */
  readHead?(head: Readonly<Record<string, unknown>>): void
}

/** A reading of one document. */
interface DocumentReading extends Pick<TimelineParserRun, 'push' | 'finish'> {
  /** True after the whole document. */
  readonly isEnded: boolean
}

/**
 * Creates a reading of a log that is one JSON document, message by message: the elements of its
 * `messages` or a list of another usual name, or of the document if it is an array. If the document breaks off, the rest goes into
 * `other` events of several lines each.
 */
export function createDocumentReading({ draftsOf, readHead }: DocumentParts): DocumentReading {
  const drafts: (EventDraft | Amendment)[] = []
  const head = new Map<string, unknown>()
  const tokenizer = new Tokenizer()
  const parser = new TokenParser({ paths: PATHS, keepStack: false })
  let state: 'reading' | 'ended' | 'broken' = 'reading'
  let depth = 0
  let line = 1
  let firstLine: number | undefined
  let messageLine = 1
  let piece = Buffer.alloc(0)
  let pieceStart = 0
  let tokenEnd = 0
  let messageStart = 0
  let unread = ''
  let rest: { line: number; endLine: number; text: string } | undefined

  tokenizer.onToken = (token) => {
    tokenEnd = token.offset + 1
    const opens = token.token === TokenType.LEFT_BRACE || token.token === TokenType.LEFT_BRACKET
    const closes = token.token === TokenType.RIGHT_BRACE || token.token === TokenType.RIGHT_BRACKET
    if (opens && depth <= 2) messageLine = line
    if (opens) depth += 1
    if (closes) depth -= 1
    if (depth > MAX_DEPTH) stop()
    else if (state === 'reading') parser.write(token)
  }
  parser.onValue = ({ value, key, stack }) => {
    messageStart = tokenEnd
    unread = ''
    const isMessage = stack.length === 2 || typeof key === 'number'
    if (!isMessage) {
      const isList = MESSAGE_LISTS.includes(String(key)) && Array.isArray(value)
      if (key !== undefined && !isList && head.size < HEAD_PROPERTIES) {
        // Bounded here already: a head may have many long values.
        head.set(String(key), boundedJson({ value }).value)
      }
      return
    }
    const range = { line: messageLine, endLine: line }
    for (const output of draftsOf(value)) {
      drafts.push('amend' in output ? output : { ...output, ...range })
    }
    messageLine = line
  }
  const stop = () => {
    if (state === 'reading') state = 'broken'
  }
  tokenizer.onError = stop
  parser.onError = stop
  parser.onEnd = () => {
    if (state === 'reading') state = 'ended'
    messageStart = tokenEnd
    unread = ''
  }

  function read(next: LogLine): void {
    piece = Buffer.from(next.continues ? next.text : `${next.text}\n`)
    if (piece.length + pieceStart - messageStart > MAX_MESSAGE_BYTES) stop()
    else tokenizer.write(piece)
    const unreadFrom = Math.max(0, messageStart - pieceStart)
    if (unread.length < REST_LENGTH) unread += piece.subarray(unreadFrom).toString()
    pieceStart += piece.length
    if (unread.length > REST_LENGTH) unread = unread.slice(0, REST_LENGTH)
  }

  function* closeDocument(): Generator<EventDraft> {
    const title = 'session'
    const data = Object.fromEntries(head)
    readHead?.(data)
    yield { kind: 'meta', role: 'system', title, data, line: firstLine ?? 1, endLine: line }
  }

  function* keepRest(text: string, from: number): Generator<EventDraft> {
    if (rest !== undefined && rest.text.length + text.length > REST_LENGTH) yield* flushRest()
    rest ??= { line: from, endLine: from, text: '' }
    rest.text += rest.text === '' ? text : `\n${text}`
    rest.endLine = line
    if (rest.text.length > REST_LENGTH) yield* flushRest()
  }

  function* flushRest(): Generator<EventDraft> {
    if (rest === undefined) return
    yield { kind: 'other', title: 'not JSON', unparseable: true, ...rest }
    rest = undefined
  }

  return {
    get isEnded() {
      return state === 'ended'
    },
    *push(next) {
      line = next.number
      firstLine ??= line
      if (state !== 'reading') {
        if (next.text.trim() !== '') yield* keepRest(next.text, line)
        return
      }
      read(next)
      yield* drafts.splice(0)
      // `state` changes in callbacks, which the compiler can't see.
      const after = state as 'reading' | 'ended' | 'broken'
      if (after === 'reading') return
      yield* closeDocument()
      if (after === 'broken' || unread.trim() !== '') yield* keepRest(unread.trim(), messageLine)
    },
    *finish() {
      if (state === 'reading' && firstLine !== undefined) {
        yield* closeDocument()
        yield* keepRest(unread.trim(), messageLine)
      }
      yield* flushRest()
    },
  }
}
