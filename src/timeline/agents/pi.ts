import { draftBlocks, draftResult, roleOf } from '../blocks.ts'
import type { Amendment, EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord } from '../json.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Reads sessions of the pi coding agent. */
export const piParser = defineRecordParser({
  name: 'pi',
  version: 2,
  detect: (records) => {
    const [header] = records
    return header?.type === 'session' &&
      typeof header.cwd === 'string' &&
      (typeof header.id === 'string' || 'provider' in header)
      ? 1
      : 0
  },
  create(facts) {
    const usage = createUsageTally()
    const branches = createBranches()
    let cost = 0
    return {
      drafts(record) {
        const { type, timestamp: time, message } = record
        if (type === 'session') {
          facts.agentSessionId = record.id
          facts.workspaceRoot = record.cwd
          facts.startedAt = time
          return [{ kind: 'meta', role: 'system', title: 'session', time, data: record }]
        }
        if (type === 'session_info' || type === 'session_name')
          facts.title = record.name ?? facts.title
        if (type === 'model_change') facts.model = record.modelId
        if (type !== 'message' || !isRecord(message))
          return branches.add(record, [draftOther(record)])
        if (message.role === 'assistant') {
          if (typeof message.model === 'string') facts.model = message.model
          usage.count(record.id, readUsage(message.usage))
          if (usage.total !== undefined) facts.usage = usage.total
          const spent =
            isRecord(message.usage) && isRecord(message.usage.cost)
              ? message.usage.cost.total
              : undefined
          if (typeof spent === 'number') {
            cost += spent
            facts.costUsd = cost
          }
        }
        return branches.add(record, draftMessage(message, record))
      },
      finish: () => branches.finish(),
    }
  },
})

/** Entries whose parent is remembered; of a longer session, branches are not told apart. */
const MAX_ENTRIES = 200_000

/** Each entry names its parent. Those that don't lead to the last one are of branches that were given up. */
function createBranches(): {
  add(record: JsonRecord, drafts: EventDraft[]): EventDraft[]
  finish(): Generator<Amendment>
} {
  const parents = new Map<string, unknown>()
  let last: unknown
  return {
    add({ id, parentId }, drafts) {
      if (typeof id !== 'string' || parents.size >= MAX_ENTRIES) return drafts
      parents.set(id, parentId)
      last = id
      return drafts.map((draft) => ({ ...draft, key: id }))
    },
    *finish() {
      const live = new Set<unknown>()
      for (let id = last; typeof id === 'string' && !live.has(id); id = parents.get(id))
        live.add(id)
      // A parent that is missing is no branch.
      const hasWholeChain = [...live].some((id) => parents.get(id as string) === null)
      if (!hasWholeChain || parents.size >= MAX_ENTRIES) return
      for (const id of parents.keys()) {
        if (!live.has(id)) yield { amend: id, set: { fold: 'abandoned' } }
      }
    },
  }
}

function draftMessage(
  message: JsonRecord,
  { id, parentId, timestamp: time }: JsonRecord,
): EventDraft[] {
  const data = { messageId: id, parentId, model: message.model }
  if (message.role === 'toolResult') {
    const { toolCallId, toolName, content, isError } = message
    const result = draftResult(toolCallId, content, { isError })
    return [{ ...result, time, toolName, data: { ...data, ...result.data } }]
  }
  if (message.role === 'bashExecution') {
    const text = firstText(message.output)
    return [
      {
        kind: 'system',
        role: 'system',
        title: 'shell',
        text,
        time,
        data: message,
        fold: 'context',
      },
    ]
  }
  const role = roleOf(message.role) ?? 'system'
  const drafts = draftBlocks({ role, content: message.content, time, data })
  return drafts.length > 0
    ? drafts
    : [{ kind: 'meta', role: 'system', title: 'empty message', time, data: message }]
}

function draftOther(record: JsonRecord): EventDraft {
  const { type, timestamp: time, summary } = record
  const isKnown =
    typeof type === 'string' &&
    /^(?:model_change|thinking_level_change|session|label|custom)/.test(type)
  const kind = isKnown
    ? 'meta'
    : type === 'compaction' || type === 'branch_summary'
      ? 'system'
      : 'other'
  const title = typeof type === 'string' ? type.replaceAll('_', ' ') : 'unknown line'
  return { kind, role: 'system', title, text: firstText(summary), time, data: record }
}
