import { draftBlocks, roleOf } from '../blocks.ts'
import { createPromptSplitter } from '../context.ts'
import type { EventDraft } from '../events.ts'
import { isRecord, type JsonRecord } from '../json.ts'
import { defineRecordParser } from '../records.ts'

const split = createPromptSplitter({
  tags: [
    ...['user_info', 'rules', 'project_layout', 'git_status', 'attached_files', 'open_files'],
    ...['additional_data', 'current_file', 'system_reminder', 'system-reminder', 'linter_errors'],
    ...['agent_skills', 'agent_transcripts', 'external_links', 'timestamp', '*_context'],
  ],
  starts: [],
})

/** Reads transcripts of Cursor agents: lines of `role` and `message`, without times. */
export const cursorParser = defineRecordParser({
  name: 'cursor',
  version: 2,
  detect: (records) => {
    const isLine = ({ role, message, type }: (typeof records)[number]) =>
      (role === 'user' || role === 'assistant') &&
      type === undefined &&
      isRecord(message) &&
      Array.isArray(message.content)
    return records.length > 0 && records.filter(isLine).length * 2 > records.length ? 0.8 : 0
  },
  create: () => {
    let hasPrompt = false
    const draftPrompt = (draft: EventDraft) => {
      const drafts = draftUserText(draft, !hasPrompt)
      hasPrompt ||= drafts.some(isPrompt)
      return drafts
    }
    return { drafts }

    function drafts(record: JsonRecord): EventDraft[] {
      const { role, message } = record
      if (!isRecord(message))
        return [{ kind: 'other', title: role ?? 'unknown line', data: record }]
      const drafts = draftBlocks({ role: roleOf(role) ?? 'system', content: message.content })
      if (drafts.length === 0)
        return [{ kind: 'meta', role: 'system', title: 'empty message', data: record }]
      return drafts.flatMap((draft) => (isPrompt(draft) ? draftPrompt(draft) : [draft]))
    }
  },
})

function isPrompt({ kind, role }: EventDraft): boolean {
  return kind === 'message' && role === 'user'
}

/** Returns the first element of the user's words, with its tags and without. */
function queryIn(text: string): { whole: string; words: string } | undefined {
  const [opening, closing] = ['<user_query>', '</user_query>']
  const start = text.indexOf(opening)
  if (start < 0) return undefined
  const end = text.indexOf(closing, start)
  return {
    whole: text.slice(start, end < 0 ? undefined : end + closing.length),
    words: text.slice(start + opening.length, end < 0 ? undefined : end).trim(),
  }
}

/** The user's own words are in an element; what surrounds it is context. */
function draftUserText(draft: EventDraft, isFirst: boolean): EventDraft[] {
  const text = draft.text ?? ''
  const query = queryIn(text)
  const { context, prompt } =
    query === undefined
      ? split(text, { isFirst })
      : { context: text.replace(query.whole, '').trim(), prompt: query.words }
  const message = { ...draft, text: prompt }
  if (context === '') return [message]
  const injected: EventDraft = {
    ...{ kind: 'system', role: 'system', title: 'context', text: context, fold: 'context' },
    ...(prompt === '' ? { data: draft.data } : {}),
  }
  return prompt === '' ? [injected] : [injected, message]
}
