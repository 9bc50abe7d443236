import { draftCall, draftResult, joinedText } from '../blocks.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord } from '../json.ts'
import type { SessionFacts } from '../parser.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Reads `events.jsonl` of the GitHub Copilot CLI. */
export const copilotCliParser = defineRecordParser({
  name: 'copilot-cli',
  version: 2,
  detect: (records) =>
    records.some(
      ({ type, data }) =>
        type === 'session.start' &&
        isRecord(data) &&
        ('copilotVersion' in data || data.producer === 'copilot-agent'),
    )
      ? 1
      : 0,
  create(facts) {
    const usage = createUsageTally()
    return {
      drafts(record) {
        const data = isRecord(record.data) ? record.data : {}
        if (record.type === 'session.start') readStart(facts, data)
        if (typeof data.model === 'string' && record.type === 'assistant.message')
          facts.model = data.model
        if (record.type === 'session.title_changed') facts.title = data.title ?? facts.title
        if (record.type === 'assistant.usage' || record.type === 'assistant.message') {
          usage.count(data.messageId, readUsage(data))
          if (usage.total !== undefined) facts.usage = usage.total
        }
        return draftEvent(record, data).map((draft) => ({ ...draft, time: record.timestamp }))
      },
    }
  },
})

function readStart(facts: SessionFacts, data: JsonRecord): void {
  const context = isRecord(data.context) ? data.context : {}
  facts.agentSessionId = data.sessionId
  facts.startedAt = data.startTime
  facts.agentVersion = data.copilotVersion
  facts.model = data.selectedModel
  facts.workspaceRoot = context.cwd
  if (context.branch !== undefined)
    facts.repo = { branch: context.branch, commit: context.headCommit }
  if (typeof context.repository === 'string') facts.repositoryUrl = context.repository
}

const USERS: ReadonlySet<string> = new Set(['user', 'cli', 'terminal'])
const EXIT = /<(?:command )?exited with exit code (-?\d{1,5})>\s*$/

function context(text: string | undefined, data: JsonRecord): EventDraft {
  return { kind: 'system', role: 'system', title: 'context', text, data, fold: 'context' }
}

function draftEvent({ type, id, parentId }: JsonRecord, data: JsonRecord): EventDraft[] {
  const text = firstText(data.content)
  const more = { ...data, eventId: id, parentEventId: parentId }
  switch (type) {
    case 'user.message':
      // Skills and hooks send messages in the user's name.
      if (typeof data.source === 'string' && !USERS.has(data.source)) return [context(text, more)]
      return [{ kind: 'message', role: 'user', text, data: more }]
    case 'assistant.message': {
      const drafts: EventDraft[] = []
      const reasoning = firstText(data.reasoningText)
      if (reasoning !== undefined)
        drafts.push({ kind: 'reasoning', role: 'assistant', text: reasoning })
      // Its calls follow as events of their own.
      if (text !== undefined || reasoning === undefined) {
        drafts.push({ kind: 'message', role: 'assistant', text, data: more })
      }
      return drafts
    }
    case 'assistant.reasoning':
      return [{ kind: 'reasoning', role: 'assistant', text, data: more }]
    case 'tool.execution_start':
      return [draftCall(data.toolName, data.toolCallId, data.arguments)]
    case 'tool.execution_complete': {
      const result = draftResult(data.toolCallId, data.result ?? data.error)
      const isError = data.success === false ? { isError: true } : {}
      const exit = EXIT.exec(result.text?.slice(-100) ?? '')?.[1]
      const exitCode = exit === undefined ? {} : { exitCode: Number(exit) }
      return [{ ...result, data: { ...result.data, ...isError, ...exitCode } }]
    }
    case 'system.message':
      return [context(text, more)]
    case 'session.error':
    case 'session.warning':
    case 'abort': {
      const notice = type === 'abort' ? 'interrupted' : type.slice('session.'.length)
      const why = text ?? firstText(data.message, data.reason, joinedText(data.error))
      return [{ kind: 'system', role: 'system', title: notice, text: why, data: more }]
    }
  }
  const title = typeof type === 'string' ? type.replaceAll(/[._]/g, ' ') : 'unknown line'
  const isKnown =
    typeof type === 'string' &&
    /^(?:session|hook|permission|assistant|abort|tool|user|subagent|skill)\b/.test(type)
  const said = text ?? (joinedText(data.message) || undefined)
  return [{ kind: isKnown ? 'meta' : 'other', role: 'system', title, text: said, data: more }]
}
