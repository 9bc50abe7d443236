import { draftBlocks } from '../blocks.ts'
import { createPromptSplitter } from '../context.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf, parseJson } from '../json.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Elements in which Cline puts the words of the user. */
const PROMPT_ELEMENTS: readonly string[] = ['task', 'feedback', 'user_message', 'answer']
const SAYS: ReadonlySet<unknown> = new Set(['say', 'ask'])

/** Reads the tasks of Cline and its forks: `ui_messages.json` and `api_conversation_history.json`. */
export const clineParser = defineRecordParser({
  name: 'cline',
  version: 2,
  detect: (records, { text }) => {
    const isUi = ({ ts, type, say, ask }: JsonRecord) =>
      typeof ts === 'number' && SAYS.has(type) && typeof (say ?? ask) === 'string'
    if (records.some(isUi)) return 1
    const start = text.slice(0, 4_000)
    if (/"ts"\s*:\s*\d{13}/.test(start) && /"type"\s*:\s*"(?:say|ask)"/.test(start)) return 0.95
    return /"text"\s*:\s*"<task>/.test(start) && /"role"\s*:\s*"user"/.test(start) ? 0.95 : 0
  },
  create(facts) {
    const usage = createUsageTally()
    const split = createPromptSplitter({ tags: ['environment_details'], starts: [] })
    let cost = 0
    const count = (info: unknown) => {
      if (!isRecord(info)) return
      const { tokensIn, tokensOut, cacheReads } = info
      const named = { input_tokens: tokensIn, output_tokens: tokensOut, cacheRead: cacheReads }
      usage.count(undefined, readUsage(named))
      if (usage.total !== undefined) facts.usage = usage.total
      if (typeof info.cost !== 'number') return
      cost += info.cost
      facts.costUsd = cost
    }
    return {
      drafts(record) {
        if (!SAYS.has(record.type)) return draftApiMessage(record, split)
        if (record.say === 'api_req_started') count(parseJson(firstText(record.text) ?? ''))
        return [draftUiMessage(record)]
      },
    }
  },
})

function draftUiMessage(record: JsonRecord): EventDraft {
  const { ts: time, say, ask } = record
  const name = say ?? ask
  const images = listOf(record.images).map(() => '[image]')
  const text = [firstText(record.text), ...images].filter((part) => part !== undefined).join('\n')
  const draft = { time, text: text === '' ? undefined : text, data: record }
  switch (name) {
    case 'task':
    case 'user_feedback':
      return { ...draft, kind: 'message', role: 'user' }
    case 'text':
    case 'completion_result':
    case 'followup':
    case 'plan_mode_respond':
      return { ...draft, kind: 'message', role: 'assistant' }
    case 'reasoning':
      return { ...draft, kind: 'reasoning', role: 'assistant' }
    case 'command_output':
    case 'browser_action_result':
    case 'mcp_server_response':
      return { ...draft, kind: 'tool_result', role: 'tool' }
    case 'error':
      return { ...draft, kind: 'system', role: 'system', title: 'error' }
    case 'tool':
    case 'command':
    case 'browser_action':
    case 'use_mcp_server': {
      const call = parseJson(text)
      const tool = isRecord(call) ? (call.tool ?? call.toolName ?? call.action) : undefined
      return { ...draft, kind: 'tool_call', role: 'assistant', toolName: tool ?? name }
    }
  }
  const title = typeof name === 'string' ? name.replaceAll('_', ' ') : 'unknown'
  return { ...draft, kind: 'meta', role: 'system', title }
}

const RESULT = /^\[([\w-]{1,60})(?:[^\]]{0,2000})\] Result:/

function draftApiMessage(
  record: JsonRecord,
  split: ReturnType<typeof createPromptSplitter>,
): EventDraft[] {
  const { role, content, ts: time } = record
  if (role !== 'user' && role !== 'assistant') {
    return [{ kind: 'other', title: 'unknown message', time, data: record }]
  }
  const blocks = Array.isArray(content) ? content : [content]
  const drafts = blocks.flatMap((block) => {
    const text = isRecord(block) && block.type === 'text' ? firstText(block.text) : undefined
    if (role === 'assistant' || text === undefined)
      return draftBlocks({ role, content: block, time })
    return draftUserText(text, time, split)
  })
  const [first, ...rest] = drafts
  if (first === undefined) {
    return [{ kind: 'meta', role: 'system', title: 'empty message', time, data: record }]
  }
  return [{ ...first, data: { ...first.data, record } }, ...rest]
}

function withoutElement(prompt: string): string {
  const name = PROMPT_ELEMENTS.find(
    (each) => prompt.startsWith(`<${each}>`) && prompt.endsWith(`</${each}>`),
  )
  return name === undefined ? prompt : prompt.slice(name.length + 2, -name.length - 3).trim()
}

function draftUserText(
  text: string,
  time: unknown,
  split: ReturnType<typeof createPromptSplitter>,
): EventDraft[] {
  const { context, prompt } = split(text)
  const drafts: EventDraft[] = []
  const tool = RESULT.exec(prompt)?.[1]
  const said = withoutElement(prompt)
  if (tool !== undefined) {
    drafts.push({ kind: 'tool_result', role: 'tool', toolName: tool, text: prompt, time })
  } else if (said !== '') drafts.push({ kind: 'message', role: 'user', text: said, time })
  if (context !== '') {
    const title = 'context'
    drafts.push({ kind: 'system', role: 'system', title, text: context, time, fold: 'context' })
  }
  return drafts
}
