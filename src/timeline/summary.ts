import type { JsonObject } from '../schema/fields.ts'
import type { DerivedEvent, TimelineEventKind } from './events.ts'
import { boundedJson, boundedText, parseTime, storableText } from './events.ts'
import type { SessionFacts, SessionFormat, TimelineParser } from './parser.ts'

const TITLE_LENGTH = 120
const FACT_LENGTH = 4_000

/** Progress of reading a log. */
export interface DeriveProgress {
  /** Bytes read. */
  readonly bytes: number
  /** Physical lines read, including blank ones. */
  readonly lines: number
  readonly blankLines: number
  readonly events: number
  /** Events for records that could not be read. */
  readonly unparseable: number
}

/** Summary of a whole log. */
export interface TimelineSummary extends DeriveProgress {
  readonly format: SessionFormat
  readonly parser: { readonly name: string; readonly version: number }
  readonly kinds: Readonly<Record<TimelineEventKind, number>>
  readonly toolCalls: number
  readonly toolResults: number
  /** Results whose call precedes them. */
  readonly pairedToolResults: number
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  /** The log's own title of the session, else the start of the first prompt. */
  readonly title: string | null
  /** The agent's own session id. */
  readonly agentSessionId: string | null
  readonly workspaceRoot: string | null
  readonly repo: JsonObject | null
  readonly repoLabel: string | null
}

/** Aggregates the events of one log. */
interface EventTotals {
  add(event: DerivedEvent): void
  summary(
    parser: TimelineParser,
    facts: SessionFacts,
  ): Omit<TimelineSummary, keyof DeriveProgress | 'toolCalls' | 'toolResults' | 'pairedToolResults'>
}

export function createEventTotals(): EventTotals {
  const kinds: Record<TimelineEventKind, number> = {
    message: 0,
    reasoning: 0,
    tool_call: 0,
    tool_result: 0,
    file_change: 0,
    system: 0,
    meta: 0,
    other: 0,
  }
  let startedAt: Date | null = null
  let endedAt: Date | null = null
  let firstPrompt: string | null = null
  const widen = (time: Date | null) => {
    if (time === null) return
    if (startedAt === null || time < startedAt) startedAt = time
    if (endedAt === null || time > endedAt) endedAt = time
  }
  return {
    add({ kind, role, text, occurredAt }) {
      kinds[kind] += 1
      widen(occurredAt)
      if (kind === 'message' && role === 'user') firstPrompt ??= firstLine(text)
    },
    summary({ name, version, format }, facts) {
      widen(parseTime(facts.startedAt))
      const workspaceRoot = storableFact(facts.workspaceRoot)
      const url = storableFact(facts.repositoryUrl)
      return {
        format,
        parser: { name, version },
        kinds: { ...kinds },
        startedAt,
        endedAt,
        title: firstLine(storableFact(facts.title)) ?? firstPrompt,
        agentSessionId: storableFact(facts.agentSessionId),
        workspaceRoot,
        repo: facts.repo === undefined ? null : boundedJson(facts.repo),
        repoLabel: (url && repositoryName(url)) ?? folderName(workspaceRoot ?? '') ?? null,
      }
    },
  }
}

function storableFact(value: unknown): string | null {
  return typeof value === 'string' ? storableText(boundedText(value, FACT_LENGTH)) : null
}

/** Returns `owner/name` from an https or ssh URL of a repository. */
function repositoryName(url: string): string | undefined {
  return /([^/:]+\/[^/:]+?)(?:\.git)?\/?$/.exec(url)?.[1]
}

/** Returns the last part of a Unix or Windows path. */
export function folderName(path: string): string | undefined {
  return path.split(/[/\\]/).findLast((part) => part !== '')
}

function firstLine(text: string | null): string | null {
  const line = text
    ?.split('\n')
    .find((part) => part.trim() !== '')
    ?.trim()
  if (line === undefined) return null
  const characters = [...line]
  return characters.length > TITLE_LENGTH ? `${characters.slice(0, TITLE_LENGTH).join('')}…` : line
}
