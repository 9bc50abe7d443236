import { draftCall, draftResult } from '../blocks.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import { defineRecordParser } from '../records.ts'
import { createUsageTally, readUsage } from '../usage.ts'

/** Reads the output of `opencode export`: one JSON document. */
export const opencodeParser = defineRecordParser({
  name: 'opencode',
  version: 2,
  detect: (_records, { text }) => {
    const start = text.slice(0, 16_000)
    if (!/^\s*\{\s*"(?:info|messages)"\s*:/.test(start) || !start.includes('"ses_')) return 0
    if (/^\s*\{\s*"info"/.test(start)) return 1
    return /"info"\s*:\s*\{/.test(start) && /"parts"\s*:\s*\[/.test(start) ? 0.9 : 0
  },
  create(facts) {
    const usage = createUsageTally()
    let cost = 0
    return {
      drafts(record) {
        const info = isRecord(record.info) ? record.info : {}
        const { id, role, modelID, tokens } = info
        if (role === 'assistant') {
          if (typeof modelID === 'string') facts.model = modelID
          usage.count(id, readUsage(tokens))
          if (usage.total !== undefined) facts.usage = usage.total
          if (typeof info.cost === 'number') {
            cost += info.cost
            facts.costUsd = cost
          }
        }
        return draftMessage(record, info)
      },
      head({ info }) {
        if (!isRecord(info)) return
        facts.agentSessionId = info.id
        facts.title = info.title
        facts.workspaceRoot = info.directory
        facts.agentVersion = info.version
        facts.startedAt = isRecord(info.time) ? info.time.created : undefined
      },
    }
  },
})

function draftMessage(record: JsonRecord, info: JsonRecord): EventDraft[] {
  const time = isRecord(info.time) ? info.time.created : undefined
  const role = info.role === 'user' || info.role === 'assistant' ? info.role : 'system'
  const drafts = listOf(record.parts).flatMap((part) =>
    isRecord(part) ? draftPart(part, role) : [],
  )
  const [first, ...rest] = drafts
  if (first === undefined) {
    return [{ kind: 'meta', role: 'system', title: 'message without content', time, data: record }]
  }
  // The raw message stays with its first event.
  return [
    { time, ...first, data: { ...first.data, ...record } },
    ...rest.map((draft) => ({ time, ...draft })),
  ]
}

function draftPart(part: JsonRecord, role: string): EventDraft[] {
  const { type, text } = part
  const said = typeof text === 'string' ? text : ''
  const partId = part.id
  switch (type) {
    case 'text': {
      const isContext = part.synthetic === true || part.ignored === true
      return isContext
        ? [
            {
              kind: 'system',
              role: 'system',
              title: 'context',
              text: said,
              data: { partId },
              fold: 'context',
            },
          ]
        : [{ kind: 'message', role, text: said, data: { partId } }]
    }
    case 'reasoning':
      return [{ kind: 'reasoning', role: 'assistant', text: said, data: { partId } }]
    case 'tool':
      return draftTool(part)
    case 'file':
      return [
        {
          kind: 'message',
          role,
          text: '[image]',
          data: { partId, images: 1, name: part.filename },
        },
      ]
    case 'patch':
      return [draftPatch(part)]
    case 'step-start':
    case 'step-finish':
    case 'snapshot':
      return []
  }
  return [{ kind: 'other', title: type ?? 'unknown part', text: said || undefined, data: { part } }]
}

function draftTool({ callID: callId, tool, state }: JsonRecord): EventDraft[] {
  const { status, input, output, error, metadata, time } = isRecord(state) ? state : {}
  const call = draftCall(tool, callId, input)
  const [start, end] = isRecord(time) ? [time.start, time.end] : []
  const timed = start === undefined ? call : { ...call, time: start }
  if (status !== 'completed' && status !== 'error') return [timed]
  const exitCode = isRecord(metadata) ? metadata.exit : undefined
  const result = draftResult(callId, output ?? error, { status, exitCode })
  const diff = isRecord(metadata) ? firstText(metadata.diff) : undefined
  const done = end === undefined ? result : { ...result, time: end }
  if (diff === undefined || status === 'error') return [timed, done]
  const path = isRecord(input) ? input.filePath : undefined
  const lines = diff.split('\n')
  const linesAdded = lines.filter((line) => /^\+(?!\+\+ )/.test(line)).length
  const linesRemoved = lines.filter((line) => /^-(?!-- )/.test(line)).length
  const data = { paths: [path], linesAdded, linesRemoved }
  return [
    timed,
    done,
    { kind: 'file_change', role: 'tool', title: path, callId, text: diff, time: end, data },
  ]
}

function draftPatch({ files, hash }: JsonRecord): EventDraft {
  const paths = listOf(files)
  return { kind: 'meta', role: 'tool', title: 'patch', data: { paths, hash } }
}
