import { draftBlocks, roleOf } from '../blocks.ts'
import { createPromptSplitter } from '../context.ts'
import type { Amendment, EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord } from '../json.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Lines that a rewind can reach. */
const REMEMBERED_LINES = 100_000

const split = createPromptSplitter({
  tags: ['system-reminder', 'session_context', 'environment_context', '*_context'],
  starts: ['This is the Qwen Code. We are setting up the context for our chat.'],
})

/** Reads sessions of Qwen Code: the envelope of Claude Code around messages of the Gemini API. */
export const qwenCodeParser = defineRecordParser({
  name: 'qwen-code',
  version: 2,
  detect: (records) =>
    records.some(
      ({ sessionId, message }) =>
        typeof sessionId === 'string' && isRecord(message) && Array.isArray(message.parts),
    )
      ? 1
      : 0,
  create(facts) {
    const usage = createUsageTally()
    const lines: string[] = []
    return {
      *drafts(record): Generator<EventDraft | Amendment> {
        const { uuid, subtype, timestamp: time } = record
        const payload = isRecord(record.systemPayload) ? record.systemPayload : {}
        facts.agentSessionId ??= record.sessionId
        facts.workspaceRoot ??= record.cwd
        if (typeof record.version === 'string') facts.agentVersion = record.version
        if (typeof record.model === 'string') facts.model = record.model
        if (record.usageMetadata !== undefined) usage.count(uuid, readUsage(record.usageMetadata))
        if (usage.total !== undefined) facts.usage = usage.total
        if (subtype === 'custom_title') facts.title = payload.customTitle
        if (subtype === 'rewind') {
          const at = lines.lastIndexOf(String(payload.targetUuid))
          if (at >= 0)
            for (const key of lines.splice(at + 1)) yield { amend: key, set: { fold: 'rewound' } }
        }
        const key = typeof uuid === 'string' ? uuid : undefined
        if (key !== undefined && lines.at(-1) !== key && lines.length < REMEMBERED_LINES)
          lines.push(key)
        for (const draft of draftLine(record, payload))
          yield { ...draft, time: draft.time ?? time, key }
      },
    }
  },
})

function draftLine(record: JsonRecord, payload: JsonRecord): EventDraft[] {
  const { type, subtype, message, uuid, parentUuid } = record
  const data = { uuid, parentUuid, model: record.model, usage: record.usageMetadata }
  if (!isRecord(message)) {
    const title = [subtype, type].find((name) => typeof name === 'string') ?? 'unknown line'
    const kind = type === 'system' ? 'meta' : 'other'
    const text = firstText(payload.customTitle, payload.displayText)
    return [{ kind, role: 'system', title: String(title).replaceAll('_', ' '), text, data: record }]
  }
  const role = type === 'tool_result' ? 'tool' : (roleOf(message.role) ?? roleOf(type) ?? 'system')
  const drafts = draftBlocks({ role, content: message.parts, data })
  if (drafts.length === 0)
    return [{ kind: 'meta', role: 'system', title: 'empty message', data: record }]
  return drafts.flatMap((draft) => {
    if (draft.kind !== 'message' || draft.role !== 'user') return [draft]
    const shown = firstText(payload.displayText)
    const { context, prompt } = split(draft.text ?? '')
    const typed = shown ?? prompt
    const injected: EventDraft = {
      ...{ kind: 'system', role: 'system', title: 'context', text: context, fold: 'context' },
      ...(typed === '' ? { data: draft.data } : {}),
    }
    const said = { ...draft, text: typed }
    if (context === '') return [said]
    return typed === '' ? [injected] : [injected, said]
  })
}
