import type { EventDraft } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'
import { folderName } from '../timeline-summary.ts'
import type { CodexLine } from './codex-line.ts'
import { draftEventMessage } from './event-message.ts'
import { draftResponseItem } from './response-item.ts'

/** What one line of a Codex rollout says. */
export function draftCodexLine(line: CodexLine): EventDraft {
  const { payload } = line
  switch (line.type) {
    case 'response_item':
      return draftResponseItem(payload)
    case 'event_msg':
      return draftEventMessage(payload)
    case 'session_meta':
      return { kind: 'meta', role: 'system', title: sessionTitle(payload), data: payload }
    case 'turn_context':
      return { kind: 'meta', role: 'system', title: turnTitle(payload), data: payload }
    case 'state':
      return { kind: 'meta', role: 'system', title: 'state', data: payload }
    case 'compacted':
      return { kind: 'system', role: 'system', title: 'compacted', data: payload }
    default:
      return { kind: 'other', title: line.type, data: payload }
  }
}

function sessionTitle(payload: Readonly<Record<string, unknown>>): string {
  const git = isRecord(payload.git) ? payload.git : {}
  const folder = typeof payload.cwd === 'string' ? folderName(payload.cwd) : undefined
  const branch = typeof git.branch === 'string' ? git.branch : undefined
  return [folder ?? 'session', branch].filter((part) => part !== undefined).join(' · ')
}

function turnTitle({ model, effort }: Readonly<Record<string, unknown>>): string {
  return [model, effort].filter((part) => typeof part === 'string').join(' · ') || 'turn'
}
