import { draftBlocks, roleOf } from '../blocks.ts'
import { firstText, isRecord, type JsonRecord } from '../json.ts'
import type { SessionFacts } from '../parser.ts'
import { defineRecordParser } from '../records.ts'

/** Reads sessions of Goose: a header, then messages whose times are in seconds. */
export const gooseParser = defineRecordParser({
  name: 'goose',
  version: 2,
  detect: (records, { text }) => {
    const [header] = records
    if (
      header !== undefined &&
      'working_dir' in header &&
      ['message_count', 'description', 'conversation', 'messages'].some((name) => name in header)
    ) {
      return 1
    }
    const start = text.slice(0, 16_000)
    if (/^\s*\{/.test(start) && /"working_dir"\s*:/.test(start)) {
      if (/"(?:conversation|messages)"\s*:\s*\[/.test(start)) return 0.9
    }
    const isMessage = ({ role, created, content }: (typeof records)[number]) =>
      typeof role === 'string' && typeof created === 'number' && Array.isArray(content)
    return records.length > 0 && records.every(isMessage) ? 0.7 : 0
  },
  create: (facts) => ({
    head: (head) => readHeader(facts, head),
    drafts(record) {
      if ('working_dir' in record) {
        readHeader(facts, record)
        return [{ kind: 'meta', role: 'system', title: 'session', data: record }]
      }
      const { role, created: time, content, id } = record
      const known = roleOf(role)
      if (known === undefined)
        return [{ kind: 'other', title: role ?? 'unknown line', time, data: record }]
      const isHidden = isRecord(record.metadata) && record.metadata.userVisible === false
      const drafts = draftBlocks({ role: known, content, time, data: { messageId: id } })
      if (drafts.length === 0)
        return [{ kind: 'meta', role: 'system', title: 'empty message', time, data: record }]
      return isHidden ? drafts.map((draft) => ({ ...draft, fold: 'context' as const })) : drafts
    },
  }),
})

function readHeader(facts: SessionFacts, header: JsonRecord): void {
  facts.workspaceRoot = header.working_dir
  facts.title = firstText(header.description, header.name)
  facts.agentSessionId = header.id
  const { input_tokens: input, output_tokens: output } = header
  if (typeof input === 'number' && typeof output === 'number') {
    facts.usage = { inputTokens: input, outputTokens: output, cachedTokens: 0, reasoningTokens: 0 }
  }
}
