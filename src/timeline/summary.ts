import type { JsonObject } from '../schema/fields.ts'
import type { SessionTotals } from '../schema/session.ts'
import type { DerivedEvent, TimelineEventKind } from './events.ts'
import { boundedJson, boundedText, parseTime, storableText } from './events.ts'
import type { SessionFacts, TimelineParser } from './parser.ts'
import type { TokenUsage } from './usage.ts'

const TITLE_LENGTH = 120
const FACT_LENGTH = 4_000
/** Longer pauses between events don't count as active time. */
const PAUSE_MS = 5 * 60 * 1_000

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
  readonly format: string
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
  /** The model that answered last. */
  readonly model: string | null
  /** Version of the agent. */
  readonly agentVersion: string | null
  /** Tokens as the agent reports them, each model answer counted once; null if the log has none. */
  readonly usage: TokenUsage | null
  /** Cost in US dollars, if the log states it. */
  readonly costUsd: number | null
  /** Time from the first event to the last, in ms. */
  readonly wallMs: number | null
  /** Time without pauses of more than five minutes, in ms. */
  readonly activeMs: number | null
}

/** Returns the totals that a log states; null if it states none. */
export function sessionTotals({
  usage,
  costUsd,
  wallMs,
  activeMs,
}: TimelineSummary): SessionTotals | null {
  const times = { costUsd, wallMs, activeMs }
  const known = Object.entries({ ...usage, ...times }).filter(([, value]) => value !== null)
  return known.length === 0 ? null : Object.fromEntries(known)
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
  let lastTime: number | undefined
  let activeMs = 0
  const title = createTitleFinder()
  const widen = (time: Date | null) => {
    if (time === null) return
    if (startedAt === null || time < startedAt) startedAt = time
    if (endedAt === null || time > endedAt) endedAt = time
  }
  return {
    add(event) {
      const { kind, occurredAt } = event
      kinds[kind] += 1
      widen(occurredAt)
      if (occurredAt !== null) {
        const gap = occurredAt.getTime() - (lastTime ?? occurredAt.getTime())
        if (gap > 0 && gap <= PAUSE_MS) activeMs += gap
        lastTime = Math.max(lastTime ?? 0, occurredAt.getTime())
      }
      title.add(event)
    },
    summary({ name, version, format }, facts) {
      widen(parseTime(facts.startedAt))
      const workspaceRoot = storableFact(facts.workspaceRoot)
      const url = storableFact(facts.repositoryUrl)
      const [from, to] = [startedAt as Date | null, endedAt as Date | null]
      return {
        format,
        parser: { name, version },
        kinds: { ...kinds },
        startedAt,
        endedAt,
        title: statedTitle(facts.title) ?? title.found,
        agentSessionId: storableFact(facts.agentSessionId),
        workspaceRoot,
        repo: facts.repo === undefined ? null : boundedJson(facts.repo),
        repoLabel: (url && repositoryName(url)) ?? repositoryFolder(workspaceRoot ?? '') ?? null,
        model: storableFact(facts.model),
        agentVersion: storableFact(facts.agentVersion),
        usage: facts.usage ?? null,
        costUsd: typeof facts.costUsd === 'number' && facts.costUsd >= 0 ? facts.costUsd : null,
        wallMs: from && to && to.getTime() - from.getTime(),
        activeMs: lastTime === undefined ? null : activeMs,
      }
    },
  }
}

function statedTitle(value: unknown): string | undefined {
  const title = titleLine(storableFact(value))?.line
  return title === undefined || NO_TITLE.test(title) ? undefined : title
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

const WORKTREES = /^\.?(.{0,100}?)[._-]{0,5}worktrees?$/i
/** Folders that agents keep in the user's home, with worktrees of many repositories. */
const OF_MANY: ReadonlySet<string | undefined> = new Set(['.codex', '.cursor'])
/** Folders in which users have theirs. */
const HOMES: ReadonlySet<string | undefined> = new Set(['home', 'Users', undefined])

/**
 * Names the repository of a working directory. The folder of a worktree has a number or a branch's name, so
 * the repository is named by the folder that has the worktrees: `app/.claude/worktrees/12`,
 * `app__worktrees/fix-login`. Of worktrees of many repositories, it is the part that is no id:
 * `.codex/worktrees/3f2a/app`, `.cursor/worktrees/app/x1c`.
 */
function repositoryFolder(path: string): string | undefined {
  const parts = path.split(/[/\\]/).filter((part) => part !== '')
  const at = parts.findLastIndex((part) => WORKTREES.test(part))
  const [first, second] = parts.slice(at + 1)
  if (at < 0 || first === undefined) return parts.at(-1)
  if (parts[at - 1] === '.cursor') return first
  if (OF_MANY.has(parts[at - 1])) return second ?? first
  const inName = WORKTREES.exec(parts[at] ?? '')?.[1]
  if (inName) return inName
  const owner = parts.slice(0, at).findLastIndex((part) => !part.startsWith('.'))
  const isOfUser = owner < 0 || HOMES.has(parts[owner - 1])
  if (!isOfUser) return parts[owner]
  return second !== undefined && isId(first) ? second : first
}

function isId(name: string): boolean {
  return /^[0-9a-f]{3,40}$|^\d+$/i.test(name) && /\d/.test(name)
}

/** Finds the title of a session in its messages. */
interface TitleFinder {
  add(event: DerivedEvent): void
  readonly found: string | null
}

/** Titles, best first: a prompt that says something, any prompt, a folded prompt, that of a sub-agent. */
function createTitleFinder(): TitleFinder {
  const found: (string | undefined)[] = []
  return {
    add({ kind, role, text, fold }) {
      if (kind !== 'message' || found[0] !== undefined) return
      if (role !== 'user' && role !== 'agent') return
      const title = titleLine(text)
      if (title === undefined) return
      const rank = role === 'agent' ? 3 : fold !== null ? 2 : title.says ? 0 : 1
      found[rank] ??= title.line
    },
    get found() {
      return found.find((title) => title !== undefined) ?? null
    },
  }
}

/** Prompts that say nothing about the session. */
const FILLER = filler([
  'y|n|yes|yep|yeah|no|nope|ok|okay|k|sure|please|thanks?|thank you|thx|hi|hey|hello|there',
  'continue|go|on|ahead|for it|proceed|done|next|test|resume|retry|again|try|lgtm|great',
  'good|perfect|nice|cool|sounds|looks|do it|do that|keep going|correct|right|oui|ja|si|sí',
  'sim|да|是的?|好的?|对|继续|谢谢|はい|네',
])
const COMMAND = /^\/[\w:.-]+(?: \S+)?$/
/** A title has two letters at least. */
const LETTERS = /\p{L}[^\p{L}]*\p{L}|[\u3040-\u30FF\u3400-\u9FFF\uAC00-\uD7AF]/u
const MARKERS =
  /!?\[(?:image|file|document|audio|pasted text)\b[^\]]{0,200}\]|!\[[^\]]{0,200}\]\([^)]{0,500}\)|<\/?image\b[^>]{0,200}>/gi
/** A line that only announces the next one: "Implement the following plan:", a code fence. */
const ANNOUNCEMENT =
  /[:：]$|^```|^-{3,}$|^={3,}$|^\[\[.*\]\]$|^(?:please )?implement (?:the following|this|the|that) plan\.?$/i

/** A text of nothing but these words. */
function filler(words: readonly string[]): RegExp {
  return new RegExp(`^(?:(?:${words.join('|')})[\\s,.!?…。！]*){1,5}$`, 'iu')
}

function isFiller(line: string): boolean {
  return (line.length < 60 && FILLER.test(line)) || COMMAND.test(line) || !LETTERS.test(line)
}

/** Titles that agents give before they have a better one. */
const NO_TITLE = /^(?:new|child) session(?: - \d{4}-\d\d-\d\dT.*)?$|^untitled$|^new chat$/i
/** Lines of a prompt that are searched for a title. */
const TITLE_LINES = 20

/** Returns the first line that says something, else the first line at all. */
function titleLine(text: string | null): { line: string; says: boolean } | undefined {
  const lines = (text ?? '')
    .slice(0, FACT_LENGTH)
    .split('\n')
    .map((line) => line.replaceAll(MARKERS, '').trim())
    .filter((line) => line !== '')
    .slice(0, TITLE_LINES)
  const first = lines[0]
  if (first === undefined) return undefined
  const saying = lines.find((line) => !isFiller(line) && !ANNOUNCEMENT.test(line))
  const line = (saying ?? first).replace(/^#{1,6} +/, '')
  const characters = [...line]
  const short =
    characters.length > TITLE_LENGTH ? `${characters.slice(0, TITLE_LENGTH).join('')}…` : line
  return { line: short, says: saying !== undefined }
}
