import {
  draftBlocks,
  draftCall,
  draftItem,
  draftResult,
  draftToolCalls,
  joinedText,
  roleOf,
} from '../blocks.ts'
import { type EventDraft, parseTime } from '../events.ts'
import { firstText, isRecord, type JsonRecord } from '../json.ts'

/** Properties that often hold the message or event itself. */
const WRAPPERS = [
  'message',
  'payload',
  'data',
  'event',
  'item',
  'params',
  'update',
  'body',
  'info',
  'record',
]
const TIMES = [
  ...[
    'timestamp',
    'ts',
    'time',
    'created_at',
    'createdAt',
    'created',
    'create_time',
    'datetime',
    'date',
  ],
  ...[
    'occurred_at',
    'occurredAt',
    'sent_at',
    'sentAt',
    'started_at',
    'startedAt',
    'start_time',
    'startTime',
  ],
  ...['updated_at', 'updatedAt', '@timestamp', 'at', 'when'],
]
const ROLES = ['role', 'author', 'sender', 'from', 'speaker', 'type', 'kind']
const CONTENTS = [
  'content',
  'parts',
  'text',
  'message',
  'msg',
  'body',
  'prompt',
  'response',
  'completion',
  'value',
]
const TOOL_NAMES = ['tool_name', 'toolName', 'tool', 'function_name', 'functionName', 'function']
const CALL_IDS = [
  'call_id',
  'callId',
  'tool_call_id',
  'toolCallId',
  'tool_use_id',
  'toolUseId',
  'callID',
]
const INPUTS = ['input', 'args', 'arguments', 'parameters', 'params']
const OUTPUTS = ['output', 'result', 'results', 'stdout', 'observation', 'tool_result', 'response']

/**
 * Drafts a JSON record of an unknown format: role, text, time, tool and call id are found by their usual
 * names, in the record and in the object that holds its message. The raw record stays in `data`.
 */
export function draftUnknownRecord(record: JsonRecord): EventDraft[] {
  const near = [record, ...WRAPPERS.map((name) => record[name]).filter(isRecord)]
  const places = [...near, ...near.slice(1).flatMap(innerMessages)]
  const time = find(places, TIMES, (value) => {
    const inner = isRecord(value) ? (value.created ?? value.start) : value
    return parseTime(inner) === null ? undefined : inner
  })
  const title = firstText(record.type, record.role) ?? 'unknown line'
  const base = { time, title }
  const toolName = find(places, TOOL_NAMES, (value) =>
    firstText(value, isRecord(value) ? value.name : undefined),
  )
  const callId = find(places, CALL_IDS, (value) => firstText(value))
  const role = find(
    places,
    ROLES,
    (value) => roleOf(value) ?? (isRecord(value) ? roleOf(value.role) : undefined),
  )
  const item = [record, record.item, record.payload].filter(isRecord).find(isItem)
  const drafts =
    (item && draftItem(item)) ??
    toolDrafts(places, toolName, callId, role) ??
    exchangeDrafts(record) ??
    saidDrafts(places, role)
  const calls = draftToolCalls(
    find(places, ['tool_calls', 'toolCalls'], (value) =>
      Array.isArray(value) ? value : undefined,
    ),
  )
  const [first, ...rest] = [...drafts, ...calls]
  if (first === undefined) {
    const text = textIn(places)
    return [{ ...base, kind: 'other', role, text, toolName, callId, data: record }]
  }
  return [{ ...first, ...base, data: record }, ...rest.map((draft) => ({ ...draft, time }))]
}

/** The message inside of an event's wrapper. */
function innerMessages(place: JsonRecord): JsonRecord[] {
  return ['message', 'item', 'data'].map((name) => place[name]).filter(isRecord)
}

const ITEM_TYPES =
  /^(?:tool_use|tool_call|function_call|tool_result|tool_output|function_call_output|reasoning|thinking)$/

/** A record that is an item or block of a model's API: it has the name or id that the type wants. */
function isItem({ type, name, ...item }: JsonRecord): boolean {
  if (typeof type !== 'string' || !ITEM_TYPES.test(type)) return false
  if (type === 'reasoning' || type === 'thinking') return true
  if (/result|output/.test(type)) return 'output' in item || 'content' in item || 'result' in item
  return typeof name === 'string' && INPUTS.some((each) => each in item)
}

/** A record of a prompt and its answer. */
function exchangeDrafts(record: JsonRecord): EventDraft[] | undefined {
  const prompt = firstText(record.prompt, record.question, record.instruction)
  const answer = firstText(record.response, record.completion, record.answer, record.output)
  if (prompt === undefined || answer === undefined || 'role' in record) return undefined
  return [
    { kind: 'message', role: 'user', text: prompt },
    { kind: 'message', role: 'assistant', text: answer },
  ]
}

function toolDrafts(
  places: readonly JsonRecord[],
  toolName: string | undefined,
  callId: string | undefined,
  role: string | undefined,
): EventDraft[] | undefined {
  if (toolName === undefined && callId === undefined) return undefined
  const input = find(places, INPUTS, (value) => value)
  const output = find(places, OUTPUTS, (value) => value)
  const type = find(places, ['type', 'kind', 'event'], (value) => firstText(value)) ?? ''
  const isResult = role === 'tool' || /result|output|response|complete|finish|end/i.test(type)
  const drafts: EventDraft[] = []
  if (!isResult && (input !== undefined || output === undefined))
    drafts.push(draftCall(toolName, callId, input))
  if (isResult || output !== undefined) {
    const content = output ?? find(places, CONTENTS, (value) => value)
    drafts.push({ ...draftResult(callId, content), toolName })
  }
  return drafts
}

function saidDrafts(places: readonly JsonRecord[], role: string | undefined): EventDraft[] {
  if (role === undefined) return []
  const content = find(places, CONTENTS, (value) => {
    if (typeof value === 'string') return /\S/.test(value) ? value : undefined
    if (Array.isArray(value)) return value.length > 0 ? value : undefined
    return isRecord(value) && Array.isArray(value.parts) ? value.parts : undefined
  })
  if (content === undefined) return []
  const drafts = draftBlocks({ role, content })
  return drafts.some(({ text, kind }) => firstText(text) !== undefined || kind === 'tool_call')
    ? drafts
    : []
}

function textIn(places: readonly JsonRecord[]): string | undefined {
  const names = [...CONTENTS, 'output', 'error', 'description', 'summary', 'title', 'name']
  return find(places, names, (value) => firstText(joinedText(value)))
}

function find<Found>(
  places: readonly JsonRecord[],
  names: readonly string[],
  read: (value: unknown) => Found | undefined,
): Found | undefined {
  for (const place of places) {
    for (const name of names) {
      const found = place[name] === undefined ? undefined : read(place[name])
      if (found !== undefined) return found
    }
  }
  return undefined
}
