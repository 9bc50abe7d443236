import { draftCall, draftResult, joinedText } from '../blocks.ts'
import type { EventDraft } from '../events.ts'
import { isRecord, type JsonRecord, listOf } from '../json.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Calls that are running. */
const OPEN_ITEMS = 10_000

/** Reads the output of `codex exec --json`. An item is written when it starts, changes and completes. */
export const codexExecParser = defineRecordParser({
  name: 'codex-exec',
  version: 2,
  detect: (records) =>
    records.some(({ type, thread_id: id }) => type === 'thread.started' && typeof id === 'string')
      ? 1
      : records.some(({ type, item }) => /^item\.\w+$/.test(String(type)) && isRecord(item))
        ? 0.8
        : 0,
  create(facts) {
    const usage = createUsageTally()
    const started = new Set<unknown>()
    return {
      drafts(record) {
        const { type, item } = record
        if (type === 'thread.started') facts.agentSessionId = record.thread_id
        if (type === 'turn.completed') {
          usage.count(undefined, readUsage(record.usage))
          if (usage.total !== undefined) facts.usage = usage.total
        }
        if (isRecord(item) && (type === 'item.started' || type === 'item.completed')) {
          const drafts = draftItem(item)
          if (type === 'item.completed') {
            const isKnown = started.delete(item.id)
            return isKnown ? drafts.filter(({ kind }) => kind !== 'tool_call') : drafts
          }
          // A call counts from its start: it may never complete.
          const calls = drafts.filter(({ kind }) => kind === 'tool_call')
          if (calls.length > 0 && started.size < OPEN_ITEMS) {
            started.add(item.id)
            return calls
          }
        }
        const isError = type === 'error' || type === 'turn.failed'
        const kind = isError ? 'system' : 'meta'
        const title = typeof type === 'string' ? type : 'unknown line'
        const text = joinedText(record.error ?? record.message) || undefined
        return [
          {
            kind: typeof type === 'string' ? kind : 'other',
            role: 'system',
            title,
            text,
            data: isError ? { ...record, isError } : record,
          },
        ]
      },
    }
  },
})

function draftItem(item: JsonRecord): EventDraft[] {
  const { id, type, text } = item
  const said = typeof text === 'string' ? text : undefined
  switch (type ?? item.item_type) {
    case 'agent_message':
    case 'assistant_message':
      return [{ kind: 'message', role: 'assistant', text: said, data: item }]
    case 'user_message':
      return [{ kind: 'message', role: 'user', text: said, data: item }]
    case 'reasoning':
      return [{ kind: 'reasoning', role: 'assistant', text: said, data: item }]
    case 'command_execution': {
      const { command, aggregated_output: output, exit_code: code, status } = item
      const call = draftCall('shell', id, { command })
      return [call, draftResult(id, output, { exit_code: code, status })]
    }
    case 'mcp_tool_call': {
      const { server, tool, arguments: args, result, error, status } = item
      const call = draftCall([server, tool].filter(Boolean).join('.'), id, args)
      return [call, draftResult(id, result ?? error, { status })]
    }
    case 'web_search':
      return [draftCall('web_search', id, { query: item.query })]
    case 'file_change': {
      const paths = listOf(item.changes).map((change) =>
        isRecord(change) ? change.path : undefined,
      )
      const title = paths.length === 1 ? paths[0] : `${paths.length} files`
      const kind = item.status === 'failed' ? 'meta' : 'file_change'
      return [{ kind, role: 'tool', title, callId: id, data: { ...item, paths } }]
    }
    case 'error':
      return [
        {
          kind: 'system',
          role: 'system',
          title: 'error',
          text: joinedText(item.message),
          data: item,
        },
      ]
  }
  return [{ kind: 'other', title: type ?? 'unknown item', text: said, data: item }]
}
