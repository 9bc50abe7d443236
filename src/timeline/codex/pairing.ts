import { isOnlyElements } from '../context.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, listOf } from '../json.ts'
import { draftContext } from './items.ts'
import type { CodexLine } from './line.ts'

/** Records between the two copies of a text. */
const WINDOW = 8
/** Records between a web search and its end: several searches run at the same time. */
const SEARCH_WINDOW = 48

/** A parsed line and its events. */
export interface CodexRecord {
  readonly line: number
  readonly source: CodexLine | undefined
  readonly drafts: EventDraft[]
}

interface Held {
  readonly record: CodexRecord
  readonly index: number
  paired: boolean
}

/** Holds records back as long as a partner may follow. */
interface Pairing {
  /** Adds a record and returns records that are complete. */
  add(record: CodexRecord): CodexRecord[]
  finish(): CodexRecord[]
}

/**
 * Pairs neighbouring records. Codex logs most texts twice: as shown to the user and as sent to or
 * received from the model. One of the two stays a message or reasoning, the other becomes `meta`, so that
 * each text appears once and no line is lost. The end of a web search precedes its call; the two
 * change places.
 */
export function createPairing(): Pairing {
  const held: Held[] = []
  let index = 0
  let hasTwins = false

  /** Where prompts are logged twice, a single one that is an element was injected. */
  function released({ record, paired }: Held): CodexRecord {
    if (paired || !hasTwins || !isUserItem(record)) return record
    const draft = spokenOf(record)
    if (isOnlyElements(draft.text ?? '')) {
      replace(record, draftContext(draft.text ?? '', draft.data ?? {}))
    }
    return record
  }

  return {
    add(record) {
      const current: Held = { record, index, paired: false }
      index += 1
      const before = isSearchCall(record) ? findSearchEnd(current, held) : -1
      if (before >= 0) held.splice(before, 0, current)
      else {
        if (isSearchEnd(record)) nameSearchCall(current, held)
        else pairTexts(current, held.slice(-WINDOW))
        held.push(current)
      }
      hasTwins ||= current.paired && (isUserMessage(record) || isUserItem(record))
      const kept = held.some(isOpenSearch) ? SEARCH_WINDOW : WINDOW
      return held.splice(0, Math.max(0, held.length - kept)).map(released)
    },
    finish: () => held.splice(0).map(released),
  }
}

/** Returns the index of the search's end that precedes this call, after giving both the same id. */
function findSearchEnd(call: Held, held: readonly Held[]): number {
  const end = partnerOf(call, held, isSearchEnd)
  if (end === undefined) return -1
  joinSearch(call, end)
  return held.indexOf(end)
}

/** Gives a preceding call the id of its end. */
function nameSearchCall(end: Held, held: readonly Held[]): void {
  const call = partnerOf(end, held, isSearchCall)
  if (call !== undefined) joinSearch(call, end)
}

/**
 * Finds the other record of a search: with the same id, else, if one of the ids is missing, for the same
 * query, else the oldest.
 */
function partnerOf(
  current: Held,
  held: readonly Held[],
  isPartner: (record: CodexRecord) => boolean,
): Held | undefined {
  const [id, query] = [idOf(current.record), queryOf(current.record)]
  const mayBe = (other: unknown) => id == null || other == null || other === id
  const open = held.filter(
    ({ record, paired }) => !paired && isPartner(record) && mayBe(idOf(record)),
  )
  return (
    open.find(({ record }) => id != null && idOf(record) === id) ??
    open.find(({ record }) => query !== undefined && queryOf(record) === query) ??
    open.find(({ record }) => query === undefined || queryOf(record) === undefined)
  )
}

function joinSearch(call: Held, end: Held): void {
  call.paired = true
  end.paired = true
  const callId = idOf(end.record) ?? idOf(call.record) ?? `search ${call.index}`
  for (const { record } of [call, end]) replace(record, { ...spokenOf(record), callId })
}

function queryOf({ source }: CodexRecord): string | undefined {
  const { query, action } = source?.payload ?? {}
  const { query: searched, url } = isRecord(action) ? action : {}
  return firstText(searched, query, url)
}

function pairTexts(current: Held, held: readonly Held[]): void {
  if (isAgentReasoning(current.record) || isReasoningItem(current.record)) {
    pairReasoning(current, held)
    return
  }
  const twin = held.find((other) => areTwins(current, other) && sameText(current, other))
  if (twin === undefined) return
  current.paired = true
  twin.paired = true
  demote(isUserMessage(current.record) || isAssistantItem(current.record) ? twin : current)
}

/** One reasoning item can hold several summaries, each of which was shown by itself. */
function pairReasoning(current: Held, held: readonly Held[]): void {
  for (const other of held) {
    const [shown, item] = isAgentReasoning(current.record) ? [current, other] : [other, current]
    const isPair = isAgentReasoning(shown.record) && isReasoningItem(item.record)
    if (isPair && summaries(item.record).includes(spokenOf(shown.record).text)) demote(shown)
  }
}

function areTwins(current: Held, other: Held): boolean {
  if (current.paired || other.paired) return false
  const [a, b] = [current.record, other.record]
  return (
    (isUserMessage(a) && isUserItem(b)) ||
    (isUserItem(a) && isUserMessage(b)) ||
    (isAgentMessage(a) && isAssistantItem(b)) ||
    (isAssistantItem(a) && isAgentMessage(b))
  )
}

const MASK = /\[REDACTED[^\]]{0,200}\]|REDACTED/g
const MASKED = '\uFFFC'

/**
 * Images are named in one of the two texts only. Recorders that mask secrets mask the two differently:
 * of neighbours, what is around the masks is compared.
 */
function sameText(a: Held, b: Held): boolean {
  const [one, other] = [comparable(a), comparable(b)]
  if (one === other) return true
  if (Math.abs(a.index - b.index) !== 1) return false
  const [left, right] = [one, other].map((text) => text.replace(MASK, MASKED).split(MASKED))
  if (left === undefined || right === undefined || left.length + right.length === 2) return false
  return (
    startsAlike(left[0] ?? '', right[0] ?? '') && endsAlike(left.at(-1) ?? '', right.at(-1) ?? '')
  )
}

function startsAlike(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one)
}

function endsAlike(one: string, other: string): boolean {
  return one.endsWith(other) || other.endsWith(one)
}

/** Characters of a text that are compared: of longer ones, only their beginnings. */
const COMPARED = 20_000

function comparable({ record }: Held): string {
  const text = (spokenOf(record).text ?? '').slice(0, COMPARED)
  return text.replaceAll('[image]', '').replace(/\s+/g, ' ').trim()
}

/** Returns the main event of a record: the message of a prompt with context. */
function spokenOf({ drafts }: CodexRecord): EventDraft {
  return drafts.at(-1) ?? { kind: 'other' }
}

function replace({ drafts }: CodexRecord, draft: EventDraft): void {
  drafts[drafts.length - 1] = draft
}

function demote({ record }: Held): void {
  const draft = spokenOf(record)
  replace(record, {
    ...draft,
    kind: 'meta',
    title: 'repeated',
    fold: 'duplicate',
    data: { ...draft.data, repeats: draft.kind },
  })
}

const idOf = (record: CodexRecord) => spokenOf(record).callId
const isOpenSearch = ({ record, paired }: Held) =>
  !paired && (isSearchEnd(record) || isSearchCall(record))
const isSearchEnd = (record: CodexRecord) => isEvent(record, 'web_search_end')
const isSearchCall = (record: CodexRecord) => isItem(record, 'web_search_call')
const isUserMessage = (record: CodexRecord) =>
  isEvent(record, 'user_message') && spokenOf(record).kind === 'message'
const isAgentMessage = (record: CodexRecord) => isEvent(record, 'agent_message')
const isAgentReasoning = (record: CodexRecord) => isEvent(record, 'agent_reasoning')
const isUserItem = (record: CodexRecord) => isMessage(record) && !isAssistantItem(record)
const isAssistantItem = (record: CodexRecord) =>
  isMessage(record) && spokenOf(record).role === 'assistant'
const isReasoningItem = (record: CodexRecord) => isItem(record, 'reasoning')

function isMessage(record: CodexRecord): boolean {
  return isItem(record, 'message') && spokenOf(record).kind === 'message'
}

function isEvent({ source }: CodexRecord, type: string): boolean {
  return source?.type === 'event_msg' && source.payload.type === type
}

function isItem({ source }: CodexRecord, type: string): boolean {
  return source?.type === 'response_item' && source.payload.type === type
}

function summaries({ source }: CodexRecord): (string | undefined)[] {
  return listOf(source?.payload.summary).map((part) =>
    isRecord(part) && typeof part.text === 'string' ? part.text : undefined,
  )
}
