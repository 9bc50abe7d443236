import type { EventDraft } from '../events.ts'
import { isRecord } from '../json.ts'
import type { CodexLine } from './parser.ts'

const WINDOW = 8

/** One line on its way to becoming an event. */
export interface CodexRecord {
  readonly line: number
  readonly source: CodexLine | undefined
  draft: EventDraft
}

interface Held {
  readonly record: CodexRecord
  readonly index: number
  paired: boolean
}

/** Holds records back for as long as their twin may follow. */
interface TwinPairing {
  /** Takes the next record and returns what need not be held any longer. */
  add(record: CodexRecord): CodexRecord[]
  finish(): CodexRecord[]
}

/**
 * Codex logs most texts twice: as it told its user interface and as it told the model. Of two such
 * lines close to one another one stays a message or reasoning and the other becomes `meta`, so that
 * a reader sees each text once and no line is lost. Recorders that mask texts mask the two copies
 * differently: neighbours are taken for twins whatever they say.
 */
export function createTwinPairing(): TwinPairing {
  const held: Held[] = []
  let index = 0
  return {
    add(record) {
      const current: Held = { record, index, paired: false }
      index += 1
      pairWithHeld(current, held)
      held.push(current)
      return held.length > WINDOW ? held.splice(0, 1).map((oldest) => oldest.record) : []
    },
    finish: () => held.splice(0).map(({ record }) => record),
  }
}

function pairWithHeld(current: Held, held: readonly Held[]): void {
  if (isAgentReasoning(current.record) || isReasoningItem(current.record)) {
    pairReasoning(current, held)
  } else {
    pairSpoken(current, held)
  }
}

function pairSpoken(current: Held, held: readonly Held[]): void {
  const twin =
    held.find((other) => areTwins(current, other) && sameText(current, other)) ??
    held.find((other) => areTwins(current, other) && other.index === current.index - 1)
  if (twin === undefined) return
  current.paired = true
  twin.paired = true
  demote(isUserMessage(current.record) || isAssistantItem(current.record) ? twin : current)
}

/** One reasoning item can hold several summaries, each told to the user interface by itself. */
function pairReasoning(current: Held, held: readonly Held[]): void {
  for (const other of held) {
    const [told, item] = isAgentReasoning(current.record) ? [current, other] : [other, current]
    const isPair = isAgentReasoning(told.record) && isReasoningItem(item.record)
    if (isPair && summaries(item.record).includes(told.record.draft.text)) demote(told)
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

function sameText(a: Held, b: Held): boolean {
  return a.record.draft.text?.trim() === b.record.draft.text?.trim()
}

function demote(held: Held): void {
  const { record } = held
  record.draft = {
    ...record.draft,
    kind: 'meta',
    title: 'repeated',
    data: { ...record.draft.data, repeats: record.draft.kind },
  }
}

const isUserMessage = (record: CodexRecord) => isEvent(record, 'user_message')
const isAgentMessage = (record: CodexRecord) => isEvent(record, 'agent_message')
const isAgentReasoning = (record: CodexRecord) => isEvent(record, 'agent_reasoning')
const isUserItem = (record: CodexRecord) => isItem(record, 'message') && says(record, 'user')
const isAssistantItem = (record: CodexRecord) =>
  isItem(record, 'message') && says(record, 'assistant')
const isReasoningItem = (record: CodexRecord) => isItem(record, 'reasoning')

function isEvent({ source }: CodexRecord, type: string): boolean {
  return source?.type === 'event_msg' && source.payload.type === type
}

function isItem({ source }: CodexRecord, type: string): boolean {
  return source?.type === 'response_item' && source.payload.type === type
}

function says({ draft }: CodexRecord, role: string): boolean {
  return draft.kind === 'message' && draft.role === role
}

function summaries({ source }: CodexRecord): (string | undefined)[] {
  const summary = source?.payload.summary
  if (!Array.isArray(summary)) return []
  return summary.map((part) =>
    isRecord(part) && typeof part.text === 'string' ? part.text : undefined,
  )
}
