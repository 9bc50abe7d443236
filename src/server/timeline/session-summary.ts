import type { JsonObject } from '../../schema/fields.ts'
import { boundedJson } from './bounded-json.ts'
import { isRecord } from './codex/codex-line.ts'
import { folderName } from './codex/draft-codex-line.ts'
import { type DerivedLine, parseTime } from './derive-timeline.ts'
import { storableText } from './storable-text.ts'

const TITLE_LENGTH = 120

/** What a log says of the session as a whole. */
export interface SessionSummary {
  format: 'codex' | 'other'
  eventCount: number
  /** Lines that were not JSON. */
  unparseable: number
  startedAt: Date | null
  endedAt: Date | null
  /** Start of the first message a person typed. */
  firstPrompt: string | null
  /** The agent's own id of the session. */
  agentSessionId: string | null
  workspaceRoot: string | null
  repo: JsonObject | null
  repoLabel: string | null
}

/** The summary of a log of which nothing has been read yet. */
export function emptySummary(): SessionSummary {
  return {
    format: 'other',
    eventCount: 0,
    unparseable: 0,
    startedAt: null,
    endedAt: null,
    firstPrompt: null,
    agentSessionId: null,
    workspaceRoot: null,
    repo: null,
    repoLabel: null,
  }
}

/** Takes one more line into the summary. */
export function addToSummary(summary: SessionSummary, { event, source }: DerivedLine): void {
  summary.eventCount += 1
  if (event.data.unparseable === true) summary.unparseable += 1
  if (source === undefined) return
  summary.format = 'codex'
  if (source.type === 'session_meta' && summary.agentSessionId === null) {
    readSessionMeta(summary, source.payload)
  }
  widen(summary, event.occurredAt)
  if (event.kind === 'message' && event.role === 'user') {
    summary.firstPrompt ??= firstLine(event.text ?? '')
  }
}

function widen(summary: SessionSummary, time: Date | null): void {
  if (time === null) return
  if (summary.startedAt === null || time < summary.startedAt) summary.startedAt = time
  if (summary.endedAt === null || time > summary.endedAt) summary.endedAt = time
}

/** The session began when its header says, which is before its first line was written. */
function readSessionMeta(
  summary: SessionSummary,
  payload: Readonly<Record<string, unknown>>,
): void {
  widen(summary, parseTime(payload.timestamp))
  if (typeof payload.id === 'string') summary.agentSessionId = storableText(payload.id)
  if (typeof payload.cwd === 'string') summary.workspaceRoot = storableText(payload.cwd)
  const git = isRecord(payload.git) ? payload.git : undefined
  if (git !== undefined) summary.repo = boundedJson(git)
  const url = git?.repository_url
  const label =
    typeof url === 'string' ? repositoryName(url) : folderName(summary.workspaceRoot ?? '')
  summary.repoLabel = label === undefined ? null : storableText(label)
}

/** `owner/name` of an https or ssh URL of a repository. */
function repositoryName(url: string): string | undefined {
  return /([^/:]+\/[^/:]+?)(?:\.git)?\/?$/.exec(url)?.[1]
}

function firstLine(text: string): string | null {
  const line = text
    .split('\n')
    .find((part) => part.trim() !== '')
    ?.trim()
  if (line === undefined) return null
  const characters = [...line]
  return characters.length > TITLE_LENGTH ? `${characters.slice(0, TITLE_LENGTH).join('')}…` : line
}
