import { draftBlocks } from '../blocks.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import { defineRecordParser } from '../records.ts'

/** Reads `conversations.json` of a Claude.ai export, and single conversations of it. */
export const claudeAiParser = defineRecordParser({
  name: 'claude-ai',
  version: 1,
  detect: (records, { text }) => {
    if (records.some(({ chat_messages: messages }) => Array.isArray(messages))) return 1
    const start = text.slice(0, 8_000)
    return /"chat_messages"\s*:\s*\[/.test(start) ? 0.9 : 0
  },
  create: (facts) => ({
    drafts(record) {
      const { chat_messages: messages, ...head } = record
      const time = record.created_at
      if (!Array.isArray(messages)) {
        return [{ kind: 'other', title: 'unknown conversation', time, data: record }]
      }
      if (typeof record.name === 'string' && record.name !== '') facts.title ??= record.name
      facts.agentSessionId ??= record.uuid
      if (typeof record.model === 'string') facts.model = record.model
      const title = firstText(record.name) ?? 'conversation'
      return [
        { kind: 'meta', role: 'system', title, time, data: head },
        ...messages.flatMap((message) => (isRecord(message) ? draftMessage(message) : [])),
      ]
    },
  }),
})

function draftMessage(message: JsonRecord): EventDraft[] {
  const { uuid, sender, text, created_at: time } = message
  const files = [...listOf(message.attachments), ...listOf(message.files)].flatMap((file) =>
    isRecord(file) && typeof file.file_name === 'string' ? [file.file_name] : [],
  )
  const role = sender === 'human' ? 'user' : 'assistant'
  const data = { messageId: uuid, ...(files.length > 0 && { files }) }
  const blocks = draftBlocks({ role, content: message.content ?? [], time, data })
  if (blocks.some(({ kind, text: said }) => kind !== 'message' || firstText(said))) return blocks
  return [{ kind: 'message', role, text: firstText(text), time, data }]
}
