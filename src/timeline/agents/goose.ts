import { draftBlocks, roleOf } from '../blocks.ts'
import { isRecord } from '../json.ts'
import { defineRecordParser } from '../records.ts'

/** Reads sessions of Goose: a header, then messages whose times are in seconds. */
export const gooseParser = defineRecordParser({
  name: 'goose',
  version: 1,
  detect: (records) => {
    const [header] = records
    if (
      header !== undefined &&
      'working_dir' in header &&
      ('message_count' in header || 'description' in header)
    ) {
      return 1
    }
    const isMessage = ({ role, created, content }: (typeof records)[number]) =>
      typeof role === 'string' && typeof created === 'number' && Array.isArray(content)
    return records.length > 0 && records.every(isMessage) ? 0.7 : 0
  },
  create: (facts) => ({
    drafts(record) {
      if ('working_dir' in record) {
        facts.workspaceRoot = record.working_dir
        facts.title = record.description
        facts.agentSessionId = record.id
        const { input_tokens: inputTokens, output_tokens: outputTokens } = record
        if (typeof inputTokens === 'number' && typeof outputTokens === 'number') {
          facts.usage = { inputTokens, outputTokens, cachedTokens: 0, reasoningTokens: 0 }
        }
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
