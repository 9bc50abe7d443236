import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import { defineRecordParser } from '../records.ts'

/** Reads `conversations.json` of a ChatGPT export, and single conversations of it. */
export const chatgptParser = defineRecordParser({
  name: 'chatgpt',
  version: 1,
  detect: (records, { text }) => {
    if (records.some(({ mapping }) => isRecord(mapping))) return 1
    const start = text.slice(0, 4_000)
    return /"mapping"\s*:\s*\{/.test(start) && /"(?:create_time|title)"\s*:/.test(start) ? 0.8 : 0
  },
  create: (facts) => ({
    drafts(record) {
      if (!isRecord(record.mapping)) {
        const time = record.create_time
        return [{ kind: 'other', title: 'unknown conversation', time, data: record }]
      }
      const { mapping, ...head } = record
      facts.title ??= record.title
      facts.agentSessionId ??= record.conversation_id ?? record.id
      const title = firstText(record.title) ?? 'conversation'
      return [
        { kind: 'meta', role: 'system', title, time: record.create_time, data: head },
        ...draftNodes(mapping, record.current_node, facts),
      ]
    },
  }),
})

/** Messages in the order of their times. Those beside the shown branch are abandoned. */
function draftNodes(
  mapping: JsonRecord,
  current: unknown,
  facts: { model?: unknown },
): EventDraft[] {
  const shown = branchOf(mapping, current)
  const nodes = Object.entries(mapping).flatMap(([id, node]) => {
    const message = isRecord(node) ? node.message : undefined
    return isRecord(message) ? [{ id, message, time: timeOf(message) }] : []
  })
  // Messages without a time stay where they are.
  let last = Number.NEGATIVE_INFINITY
  const timed = nodes.map((node) => {
    last = node.time ?? last
    return { ...node, at: last }
  })
  timed.sort((one, other) => one.at - other.at)
  return timed.flatMap(({ id, message }) => {
    const slug = isRecord(message.metadata) ? message.metadata.model_slug : undefined
    if (typeof slug === 'string') facts.model = slug
    const isAbandoned = shown.size > 0 && !shown.has(id)
    const drafts = draftMessage(message)
    return isAbandoned ? drafts.map((draft) => ({ ...draft, fold: 'abandoned' as const })) : drafts
  })
}

function timeOf({ create_time: time }: JsonRecord): number | undefined {
  return typeof time === 'number' && Number.isFinite(time) ? time : undefined
}

function branchOf(mapping: JsonRecord, current: unknown): ReadonlySet<string> {
  const branch = new Set<string>()
  for (let id = current; typeof id === 'string' && !branch.has(id); ) {
    const node = mapping[id]
    if (!isRecord(node)) break
    branch.add(id)
    id = node.parent
  }
  return branch
}

function draftMessage(message: JsonRecord): EventDraft[] {
  const { id, create_time: time, recipient, content } = message
  const author = isRecord(message.author) ? message.author : {}
  const metadata = isRecord(message.metadata) ? message.metadata : {}
  const body = isRecord(content) ? content : {}
  const text = textOf(body)
  const data = { messageId: id, contentType: body.content_type, model: metadata.model_slug }
  const isHidden = metadata.is_visually_hidden_from_conversation === true
  if (text === undefined && author.role === 'system') return []
  const fold = isHidden ? ('context' as const) : undefined
  const type = String(body.content_type ?? '')
  if (author.role === 'system' || type.endsWith('_editable_context')) {
    const title = 'context'
    return [{ kind: 'system', role: 'system', title, text, time, data, fold: 'context' }]
  }
  if (type === 'thoughts' || type === 'reasoning_recap') {
    return [{ kind: 'reasoning', role: 'assistant', text, time, data }]
  }
  if (author.role === 'tool') {
    return [{ kind: 'tool_result', role: 'tool', toolName: author.name, text, time, data, fold }]
  }
  if (author.role === 'assistant' && typeof recipient === 'string' && recipient !== 'all') {
    return [{ kind: 'tool_call', role: 'assistant', toolName: recipient, text, time, data, fold }]
  }
  const role = author.role === 'user' ? 'user' : 'assistant'
  return [{ kind: 'message', role, text, time, data, fold }]
}

function textOf(content: JsonRecord): string | undefined {
  const parts = listOf(content.parts).map((part) => {
    if (typeof part === 'string') return part
    return isRecord(part) ? (firstText(part.text) ?? '[image]') : ''
  })
  const thoughts = listOf(content.thoughts).map((thought) =>
    isRecord(thought) ? firstText(thought.content, thought.summary) : undefined,
  )
  const context = [content.user_profile, content.user_instructions, content.model_set_context]
  const said = [content.text, content.result, content.content, ...context]
  const all = [...parts, ...thoughts, ...said].filter(
    (part): part is string => typeof part === 'string' && part !== '',
  )
  return all.length === 0 ? undefined : all.join('\n')
}
